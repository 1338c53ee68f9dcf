"""One scenario with the reference recorded once: mine is replayed against it, with its lines.

The quick form of what `harness.segments.child` does for a comparison: one play of mine, traced,
gives rows and lines at once; another one, with a seed of its own, gives draws where they are asked
for.
"""

from dataclasses import asdict, replace

from harness.codec import to_plain
from harness.localise.replayed import from_segments
from harness.segments.child import (
    AGAIN_SEED,
    MINE_SEED,
    folders_of,
    play,
    policy_of,
)
from harness.segments.compare import Limits, compare_tapes
from harness.segments.drawing import Tapes, differing_repeats, draw_records
from harness.segments.join import joined
from harness.segments.noise import floors_of
from harness.segments.quantities import quantities_of
from harness.segments.scenario import scenarios
from harness.segments.spans import places_of_draws, spanned
from harness.spec.cards import card
from harness.stats.draws import draw_tests
from tests.bugs.catalogue import changed_lines, clean_source
from tests.bugs.replaying import asked, lines_of, side_of

# Seeds over which initial weights are compared.
WEIGHT_SEEDS = 3


class Recorded:
    """The reference of one scenario, played four ways: recorded, widened, traced, begun."""

    def __init__(self, algo, name):
        self.reference = asked(algo)
        (self.scenario,) = (one for one in scenarios()[algo] if one.name == name)
        self.card = card(algo)
        self.policy = policy_of(self.scenario)
        self.known = self._play(self.reference, self.policy)
        wide = replace(self.policy, is_wide=True)
        self.again = self._play(self.reference, wide, seed=AGAIN_SEED, against=self.known)
        self.beside = self._play(
            self.reference, self._traced(self.reference, self.policy), against=self.known
        )
        self.quantities = quantities_of(self.card, self.known.tape)
        computed = [quantity.name for quantity in self.quantities if quantity.is_computed]
        self.limits = Limits(
            floors_of(self.known.tape, self.again.tape, computed),
            frozenset(self.scenario.perturbed),
            hyperparameters=self.scenario.hyperparameters,
            n_envs=self.scenario.n_envs,
        )
        begun = replace(self.policy, stop_after=0, perturbed=())
        seeds = [100 * number for number in range(1, WEIGHT_SEEDS + 1)]
        self.starts = {
            seed: tuple(
                self._play(self.reference, begun, seed=seed + again).tape
                for again in (0, AGAIN_SEED)
            )
            for seed in seeds
        }

    def rows(self, side):
        """Return (rows with their lines, the play of the side)."""
        mine = self._play(side, self._traced(side, self.policy), against=self.known)
        assert mine.error == ""
        assert mine.tape.problems == []
        limits = self.limits
        if mine.tape.env_steps != self.known.tape.env_steps:
            common = min(mine.tape.env_steps, self.known.tape.env_steps)
            limits = replace(limits, env_steps=common)
        rows = compare_tapes(mine.tape, self.known.tape, self.quantities, limits)
        return tuple(spanned(row, mine.runtime, self.beside.runtime) for row in rows), mine

    def draws(self, side, mine):
        """Return (draw tests, sources that two plays with one seed draw differently)."""
        varying = differing_repeats(
            self.card, mine.tape, self._play(side, self.policy, against=self.known).tape
        )
        own = self._play(side, self.policy, seed=MINE_SEED, against=self.known)
        begun = replace(self.policy, stop_after=0, perturbed=())
        starts = [
            Tapes(known, again, self._play(side, begun, seed=seed + MINE_SEED).tape)
            for seed, (known, again) in self.starts.items()
        ]
        tapes = Tapes(self.known.tape, self.again.tape, own.tape)
        return draw_tests(draw_records(self.card, tapes, starts)), varying

    def said(self, side, *, has_draws=False):
        """Return everything that is said of a side in this scenario, as a result with findings."""
        rows, mine = self.rows(side)
        tests, varying = self.draws(side, mine) if has_draws else ((), ())
        rejected = {test.source for test in tests if test.is_rejected}
        places = {name: places_of_draws(name, mine.runtime, is_seed=False) for name in rejected}
        places |= {name: places_of_draws(name, mine.runtime, is_seed=True) for name in varying}
        answer = {
            "scenario": self.scenario.name,
            "kind": "",
            "rows": [replace(row, scenario=self.scenario.name) for row in rows],
            "draws": [asdict(test) for test in tests],
            "varying": varying,
            "places": places,
        }
        return joined(self.scenario.algo, [self.scenario], [to_plain(answer)])

    def _play(self, side, policy, *, seed=0, against=None):
        call = self.scenario.call(seed=self.scenario.seed + seed)
        return play(side, call, reference=against and against.tape, policy=policy)

    def _traced(self, side, policy):
        return replace(policy, traced=folders_of(side))


def written(row, folder, source=None):
    """Write a changed file into a folder of its own; return the side that it is."""
    file = folder / f"{row.algo}.py"
    file.write_text(row.patched(source), encoding="utf-8")
    return side_of(file)


def findings_of(result):
    """Return (level, quantity, component, lines named) of every finding, first to look at first."""
    named = {("segment", row.tap): row for row in result.rows}
    named |= {("draw", row.source): row for row in result.draws if row.is_rejected}
    found = []
    for finding in from_segments(result):
        row = named[finding.level, finding.quantity]
        lines = lines_of((row.mine_place, *row.mine_lines))
        found.append((finding.level, finding.quantity, finding.component, lines))
    return found


def lines_changed(row):
    return changed_lines(clean_source(row.algo), row.patched())
