"""From traces to a judgement, look by look: the composition of the pure stages. No file is touched.

traces -> curves on the common grid -> tests per environment -> Holm over environments ->
facts, sanity, order of suspicion -> one table of rules -> Judgement
"""

from harness.judge.alone import Alone, FactsAlone, judge_facts, judge_segments
from harness.judge.conclude import conclude
from harness.judge.look import (
    LookJudgement,
    awaits_curves_alone,
    compared_so_far,
    deterministic_divergence,
    is_settled,
    judge_look,
    levels_of,
)
from harness.judge.view import Gathered, Levels, RunId

__all__ = [
    "Alone",
    "FactsAlone",
    "Gathered",
    "Levels",
    "LookJudgement",
    "RunId",
    "awaits_curves_alone",
    "compared_so_far",
    "conclude",
    "deterministic_divergence",
    "is_settled",
    "judge_facts",
    "judge_look",
    "judge_segments",
    "levels_of",
]
