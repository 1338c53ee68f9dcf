"""`compare list`: algorithms, tiers with their environments and budgets, references, mine."""

from __future__ import annotations

from collections.abc import Iterator

from harness.cli.say import aligned
from harness.run.tapplaces import given_in
from harness.segments.scenario import scenarios
from harness.spec.cards import algos, card
from harness.spec.environments import missing_extra
from harness.spec.references import Reference, is_supported, references
from harness.spec.sides import implementations
from harness.spec.tiers import BUDGETS, TIERS, budget_row, looks_of, tier_ids


def listing() -> str:
    """Return everything that a comparison can name, as plain text."""
    return "\n".join(
        [
            *("Algorithms", *_algorithms(), "", "What is compared of each", *_levels(), ""),
            *(*_tiers(), ""),
            *("Seeds per side at each look", *_looks(), ""),
            *("References", *_references(), "", "My implementations", *_implementations()),
        ]
    )


def _algorithms() -> Iterator[str]:
    rows = []
    for name in algos():
        row = card(name)
        rows.append([name, row.title, f"{', '.join(row.action_types)} actions", row.paper])
    yield aligned(rows, indent="  ")


def _levels() -> Iterator[str]:
    """Yield the matrix algorithm x level, counted from cards, tap maps, scenarios and tiers."""
    rows = [["", "facts", "segments", "draws", "probes", "curves", "mine"]]
    for algo in algos():
        by = [reference for reference in references().values() if algo in reference.algos]
        tapped = [words for reference in by if (words := _tapped(reference, algo))]
        taps, n_scenarios = card(algo).taps, len(scenarios().get(algo, ())) if tapped else 0
        of = f" ({', '.join(tapped)})" if len(by) > 1 and tapped else ""
        rows.append(
            [
                algo,
                ", ".join(reference.name for reference in by) or "-",
                f"{len(taps)} taps in {n_scenarios} scenarios{of}" if n_scenarios else "-",
                f"{sum(bool(tap.draws) for tap in taps)} sources" if n_scenarios else "-",
                str(len(tier_ids(algo, "probe"))) if by else "-",
                f"{sum(len(tier_ids(algo, tier)) for tier in TIERS[1:])} envs" if by else "-",
                "yes" if algo in implementations() else "-",
            ]
        )
    yield aligned(rows, indent="  ")


def _tapped(reference: Reference, algo: str) -> str:
    """Return the name of a reference that taps an algorithm, with how far; "" for another one."""
    tap_map = reference.algos[algo].get("tap_map")
    if not tap_map:
        return ""
    return f"{reference.name}{' in part' if given_in(reference.folder / tap_map) else ''}"


def _tiers() -> Iterator[str]:
    """Yield, per algorithm, the environments of each tier with env steps per budget."""
    for algo in algos():
        rows = [["tier", "environment", *BUDGETS, "hyperparameters"]]
        for tier in TIERS:
            rows += [[tier, env_id, *_budgets(algo, env_id)] for env_id in tier_ids(algo, tier)]
        yield f"Environments for {algo}, with env steps per budget"
        yield aligned(rows, indent="  ")


def _budgets(algo: str, env_id: str) -> list[str]:
    row = budget_row(algo, env_id)
    steps = [f"{row.total_timesteps[budget]:,}" for budget in BUDGETS]
    extra = missing_extra(env_id)
    return [*steps, f"needs: {extra.pip}" if extra else row.source]


def _looks() -> Iterator[str]:
    rows = [[budget, ", then ".join(map(str, looks_of(budget)))] for budget in BUDGETS]
    yield aligned(rows, indent="  ")


def _references() -> Iterator[str]:
    rows = []
    for reference in references().values():
        version = reference.installed_version
        state = f"installed: {version}" if version else f"missing: {reference.pip}"
        if version and not is_supported(version, reference.supported):
            state += f", not supported: pip install '{reference.wanted}'"
        rows.append([reference.name, reference.wanted, state, ", ".join(reference.algos)])
    yield aligned(rows, indent="  ") if rows else "  none"


def _implementations() -> Iterator[str]:
    names = implementations()
    yield "\n".join(f"  my_impls/{name}.py" for name in names) if names else "  none"
