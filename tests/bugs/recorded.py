"""One scenario with the reference recorded once: mine is replayed against it, with its lines.

The quick form of what `harness.segments.child` does for a comparison: one play of mine, traced,
gives rows and lines at once; another one, with a seed of its own, gives draws where they are asked
for.
"""

import tempfile
from dataclasses import asdict, replace
from functools import cache, cached_property
from pathlib import Path

import torch

from harness.calibrate.detection import lines_of
from harness.calibrate.recorded import answer_of
from harness.codec import to_plain
from harness.localise.replayed import from_segments
from harness.records import SideSpec
from harness.segments.child import AGAIN_SEED, MINE_SEED, policy_of
from harness.segments.compare import Limits, compare_tapes
from harness.segments.drawing import Tapes, differing_repeats, draw_records
from harness.segments.join import joined
from harness.segments.noise import floors_of
from harness.segments.play import folders_of, play
from harness.segments.quantities import quantities_of
from harness.segments.scenario import scenarios
from harness.segments.spans import places_of_draws, spanned
from harness.spec.cards import card
from harness.spec.environments import register_ids
from harness.spec.references import find_reference
from harness.stats.draws import draw_tests
from tests.bugs.catalogue import ROOT, changed_lines, clean_source, planted

# Seeds over which initial weights are compared.
WEIGHT_SEEDS = 3


def side_of(file):
    return SideSpec(f"{Path(file).name}:side", str(file), None, "side", None, "")


def asked(algo):
    """Return the reference of an algorithm, with everything that playing it needs set up."""
    torch.set_num_threads(1)
    register_ids()
    return find_reference(None, algo=algo)


def result_of(algo, mine, *, chosen=None):
    """Return the joined result of all scenarios, or of the named ones."""
    reference = asked(algo)
    rows = [one for one in scenarios()[algo] if chosen is None or one.name in chosen]
    return joined(algo, rows, [answer_of(one, mine, reference, fallback={}) for one in rows])


class Recorded:
    """The reference of one scenario, recorded and widened, and mine compared with it.

    Args:
        env_steps: length of the scenario, where it need not be as long as it is.
    """

    def __init__(self, algo, name, env_steps=None):
        self.reference = asked(algo)
        (scenario,) = (one for one in scenarios()[algo] if one.name == name)
        self.scenario = replace(scenario, total_timesteps=env_steps or scenario.total_timesteps)
        self.card = card(algo)
        self.policy = policy_of(self.scenario)
        self.known = self._play(self.reference, self.policy)
        wide = replace(self.policy, is_wide=True)
        self.again = self._play(self.reference, wide, seed=AGAIN_SEED, against=self.known)
        self.quantities = quantities_of(self.card, self.known.tape, self.known.tape)
        computed = [quantity.name for quantity in self.quantities if quantity.is_computed]
        self.limits = Limits(
            floors_of(self.known.tape, self.again.tape, computed),
            frozenset(self.scenario.perturbed),
            hyperparameters=self.scenario.hyperparameters,
            n_envs=self.scenario.n_envs,
            total_timesteps=self.scenario.total_timesteps,
        )
        self.begun = replace(self.policy, stop_after=0, perturbed=())

    @cached_property
    def starts(self):
        """The beginning of the reference under several seeds, each twice: seed -> two tapes."""
        return {
            seed: tuple(
                self._play(self.reference, self.begun, seed=seed + again).tape
                for again in (0, AGAIN_SEED)
            )
            for seed in (100 * number for number in range(1, WEIGHT_SEEDS + 1))
        }

    def said(self, side, *, has_draws=False):
        """Return everything that is said of a side in this scenario."""
        traced = replace(self.policy, traced=folders_of(side))
        mine = self._play(side, traced, against=self.known)
        assert mine.error == ""
        assert mine.tape.problems == []
        tests, varying = self._draws(side, mine) if has_draws else ((), ())
        rejected = {test.source for test in tests if test.is_rejected}
        places = {name: places_of_draws(name, mine.runtime, is_seed=False) for name in rejected}
        places |= {name: places_of_draws(name, mine.runtime, is_seed=True) for name in varying}
        answer = {
            "scenario": self.scenario.name,
            "kind": "",
            "rows": [replace(row, scenario=self.scenario.name) for row in self._rows(mine)],
            "draws": [asdict(test) for test in tests],
            "varying": varying,
            "places": places,
        }
        return joined(self.scenario.algo, [self.scenario], [to_plain(answer)])

    def _rows(self, mine):
        limits = self.limits
        if mine.tape.env_steps != self.known.tape.env_steps:
            common = min(mine.tape.env_steps, self.known.tape.env_steps)
            limits = replace(limits, env_steps=common)
        rows = compare_tapes(mine.tape, self.known.tape, self.quantities, limits)
        return [spanned(row, mine.runtime, mine.runtime) for row in rows]

    def _draws(self, side, mine):
        """Return (draw tests, sources that two plays with one seed draw differently)."""
        repeated = self._play(side, self.policy, against=self.known)
        varying = differing_repeats(self.card, mine.tape, repeated.tape)
        own = self._play(side, self.policy, seed=MINE_SEED, against=self.known)
        starts = [
            Tapes(known, again, self._play(side, self.begun, seed=seed + MINE_SEED).tape)
            for seed, (known, again) in self.starts.items()
        ]
        tapes = Tapes(self.known.tape, self.again.tape, own.tape)
        return draw_tests(draw_records(self.card, tapes, starts)), varying

    def _play(self, side, policy, *, seed=0, against=None):
        call = self.scenario.call(seed=self.scenario.seed + seed)
        return play(side, call, reference=against and against.tape, policy=policy)


@cache
def recorded(algo, scenario, env_steps):
    return Recorded(algo, scenario, env_steps)


def found(algo, bug, *, scenario, env_steps):
    """Return (findings in order, reason of none) of one planted change; "" is the clean file.

    A finding is (level, quantity, component, lines named).
    """
    at = recorded(algo, scenario, env_steps)
    if not bug:
        return _findings(at.said(side_of(ROOT / f"my_impls/{algo}.py"), has_draws=True))
    (row,) = (one for one in planted(algo) if one.id == bug)
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        file = Path(folder) / f"{algo}.py"
        file.write_text(row.patched(), encoding="utf-8")
        return _findings(at.said(side_of(file), has_draws=row.level == "draw"))


def _findings(result):
    named = {("segment", row.tap): row for row in result.rows}
    named |= {("draw", row.source): row for row in result.draws if row.is_rejected}
    findings = []
    for one in from_segments(result):
        row = named[one.level, one.quantity]
        lines = lines_of((row.mine_place, *row.mine_lines))
        findings.append((one.level, one.quantity, one.component, lines))
    return findings, result.reason


def lines_changed(row):
    return changed_lines(clean_source(row.algo), row.patched())
