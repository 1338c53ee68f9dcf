"""From traces to a judgement, look by look: the composition of the pure stages. No file is touched.

traces -> curves on the common grid -> tests per environment -> Holm over environments ->
facts, sanity, order of suspicion -> one table of rules -> Judgement
"""

from harness.judge.conclude import conclude
from harness.judge.look import LookJudgement, deterministic_divergence, judge_look, levels_of
from harness.judge.placing import placed
from harness.judge.view import Gathered, Levels, RunId

__all__ = [
    "Gathered",
    "Levels",
    "LookJudgement",
    "RunId",
    "conclude",
    "deterministic_divergence",
    "judge_look",
    "levels_of",
    "placed",
]
