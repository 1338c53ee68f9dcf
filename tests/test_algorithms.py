"""An algorithm is whole: all that docs/how-to/add-an-algorithm.md asks for is there and fits.

One card, one side of a library with its tap map, one file in my_impls, rows of hyperparameters, and
scenarios. Nothing here names an algorithm: a new one is checked as soon as its card exists.
"""

from dataclasses import replace

import pytest

from harness.cli.tapcheck import check_taps
from harness.segments.scenario import scenarios
from harness.spec.cards import algos, card
from harness.spec.hyperparameters import check_settings
from harness.spec.references import default_reference, references
from harness.spec.sides import implementations
from harness.spec.tiers import budget_rows, tier_ids

# The others are compared by facts, probes and curves alone.
TAPPED = tuple(algo for algo in algos() if card(algo).taps)


def gaps(algo, *, known=None, planned=None, budgets=None, mine=None):
    """Return what the algorithm lacks, in words; the arguments stand in for what is on disk."""
    known = known or card(algo)
    planned = scenarios().get(algo, ()) if planned is None else planned
    rows = budget_rows(algo) if budgets is None else budgets
    found = []
    if "probes/*" not in rows:
        found.append(f"budgets.toml has no row for the probes of {algo}")
    if not known.taps:
        return found  # facts, probes and curves alone
    if algo not in (implementations() if mine is None else mine):
        found.append(f"my_impls/{algo}.py is missing")
    if not planned:
        found.append(f"harness/segments/scenarios/{algo}.toml is missing")
    varied = {
        name
        for one in planned
        for name, value in one.hyperparameters.items()
        if value != known.defaults.get(name)
    }
    found += [f"no scenario varies {name}" for name in {*known.hyperparameters} - varied]
    for one in planned:
        check_settings(known, one.hyperparameters)
        modules = {tap.name for tap in known.taps if tap.shape == "module"}
        found += [f"{one.name} perturbs {name}, no module" for name in {*one.perturbed} - modules]
    return sorted(found)


@pytest.mark.parametrize("algo", algos())
def test_algorithm_has_all_its_parts(algo):
    assert gaps(algo) == []


@pytest.mark.parametrize("algo", TAPPED)
def test_reference_of_the_algorithm_has_a_side_and_a_whole_tap_map(algo):
    one = references()[default_reference(algo)]
    if one.installed_version is None:
        pytest.skip(one.pip)
    row = one.algos[algo]
    assert (one.folder / row["tap_map"]).is_file()
    missing = check_taps(one.name, algo=algo).missing
    assert [tap.name for tap in missing if not tap.is_optional] == []


@pytest.mark.parametrize("algo", TAPPED)
def test_own_implementation_has_every_tap_of_the_card(algo):
    missing = check_taps(f"my_impls/{algo}.py", algo=algo).missing
    assert [tap.name for tap in missing if not tap.is_optional] == []


@pytest.mark.parametrize("algo", algos())
def test_environments_of_every_tier_are_there(algo):
    assert all(tier_ids(algo, tier) for tier in ("probe", "easy", "medium"))


@pytest.mark.parametrize("algo", TAPPED)
def test_scenarios_vary_environment_and_number_of_environments(algo):
    planned = scenarios()[algo]
    assert len({one.name for one in planned}) == len(planned)
    assert len({one.seed for one in planned}) > 1
    assert any(one.weight_seeds for one in planned)


def test_algorithm_that_lacks_a_part_when_checked_says_which():
    first, *_ = scenarios()["vpg"]
    lacking = [
        *gaps("vpg", planned=()),
        *gaps("vpg", budgets={}),
        *gaps("vpg", mine=()),
        *gaps("vpg", planned=[replace(first, perturbed=("q_net",))]),
    ]
    for words in (
        "harness/segments/scenarios/vpg.toml is missing",
        "budgets.toml has no row for the probes of vpg",
        "my_impls/vpg.py is missing",
        "no scenario varies normalize_advantage",
        "discrete perturbs q_net, no module",
    ):
        assert words in lacking
