"""Numbers and outcomes in words that a newcomer understands; the same in every format."""

from __future__ import annotations

import math
from collections.abc import Mapping

from harness.judgement import EndpointTest, Interval, Onset, Verdict

# What each verdict means, in one or two sentences; the rules are in harness/verdict/rules.py.
MEANINGS: Mapping[Verdict, str] = {
    "parity": "Both learn the same: on every environment, final performance and the area under the "
    "learning curve are shown to lie inside the margin, and nothing else was found to differ.",
    "diverged": "The two implementations are not the same: a difference is established beyond "
    "chance, or an exact check failed.",
    "inconclusive": "Neither sameness nor a difference could be established with this many "
    "training runs. This is not a pass.",
    "invalid": "Something crashed, hung or could not be observed, so the comparison does not "
    "count. This is not a pass.",
}
MARKS: Mapping[Verdict, str] = {"parity": "✓", "diverged": "✗", "inconclusive": "?", "invalid": "!"}
GROUNDS = {
    "statistical": "Shown by training results over several seeds.",
    "numerical": "Shown by the numbers themselves; the curves are a further check.",
}
OUTCOMES = {
    "done": "finished",
    "non-finite": "finished, but numbers became NaN or infinite",
    "crashed": "crashed with an exception",
    "exited": "exited with an error code",
    "incomplete": "stopped early without saying so",
    "killed": "killed by the system",
    "hung": "hung: made no step for too long",
    "timed-out": "ran longer than the time limit",
    "out-of-memory": "ran out of memory",
    "unsupported": "cannot express a hyperparameter",
    "unobserved": "trained, but could not be observed",
    "ended": "ended early by us: no longer needed",
}
# Shown instead of a number that does not exist.
NOTHING = "–"
# An environment that no run was needed for.
UNTRAINED = "NOT TRAINED"
WHY_UNTRAINED = "What was tested before the training decided, so nothing was trained here."
ENDPOINTS = {"auc": "area under the learning curve", "final": "final performance"}


# PARITY on these grounds does not rest on the curves.
_NUMERICAL = (
    "Both calculate the same: every stretch of code, every kind of random draw and whole training "
    "runs under the same draws agree, and nothing else was found to differ."
)


def meaning(verdict: Verdict, grounds: str) -> str:
    """Return what a verdict means, and on what it rests.

    >>> meaning("parity", "numerical").endswith(GROUNDS["numerical"])
    True
    """
    said = _NUMERICAL if (verdict, grounds) == ("parity", "numerical") else MEANINGS[verdict]
    return f"{said} {GROUNDS.get(grounds, '')}".strip()


def needed(level: float) -> str:
    """Return what p must reach for a difference to count as shown.

    >>> needed(0.0125), needed(0.0)
    ('needs p ≤ 0.013', 'is out of reach with so few seeds')
    """
    return f"needs p ≤ {p_value(level)}" if level > 0 else "is out of reach with so few seeds"


def number(value: float | None, digits: int = 4) -> str:
    """Return `value` with `digits` significant digits and a real minus sign.

    >>> number(1234567.0), number(-0.00012), number(None), number(float("nan"))
    ('1,234,567', '−0.00012', '–', 'NaN')
    """
    if value is None:
        return NOTHING
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if not -5 <= exponent <= 8:
        return f"{value:.{digits - 1}e}".replace("-", "−", 1 if value < 0 else 0)
    text = f"{value:,.{max(0, digits - 1 - exponent)}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.replace("-", "−")


def fixed(value: float, decimals: int) -> str:
    """Return `value` with that many decimals, thousands separated.

    >>> fixed(-1234.56, 1)
    '−1,234.6'
    """
    if not math.isfinite(value) or abs(value) >= 1e9:
        return number(value)
    text = f"{value:,.{decimals}f}"
    return (text[1:] if float(text.replace(",", "")) == 0 and text[0] == "-" else text).replace(
        "-", "−"
    )


def interval(found: Interval) -> str:
    """Return "estimate [low, high]" with as many decimals as the width of the interval deserves.

    >>> interval(Interval(487.26, 460.1, 500.0, 0.95))
    '487 [460, 500]'
    """
    if not (math.isfinite(found.low) and math.isfinite(found.high)):
        return f"{number(found.estimate)} [no interval]"
    decimals = _decimals(found.high - found.low, found.estimate)
    low, high = fixed(found.low, decimals), fixed(found.high, decimals)
    return f"{fixed(found.estimate, decimals)} [{low}, {high}]"


def _decimals(width: float, estimate: float) -> int:
    """Return decimals that show two significant digits of `width` (or four of the estimate)."""
    scale, digits = (width, 1) if width > 0 else (abs(estimate), 3)
    return 0 if scale == 0 else min(6, max(0, digits - math.floor(math.log10(scale))))


def p_value(p: float | None) -> str:
    """Return a p-value with two significant digits.

    >>> p_value(0.01234), p_value(1.0), p_value(0.0000001), p_value(None)
    ('0.012', '1', '< 0.00001', '–')
    """
    if p is not None and 0 <= p < 1e-5:
        return "< 0.00001"
    return number(p, digits=2)


def percent(share: float) -> str:
    """Return a share as per cent.

    >>> percent(0.05), percent(0.95)
    ('5 %', '95 %')
    """
    return f"{number(100 * share, digits=3)} %"


def steps(count: int) -> str:
    """Return a number of env steps, thousands separated.

    >>> steps(30000)
    '30,000'
    """
    return f"{count:,}"


def counted(count: int, noun: str) -> str:
    """Return "1 seed", "2 seeds".

    >>> counted(1, "seed"), counted(3, "seed")
    ('1 seed', '3 seeds')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def onset(found: Onset) -> str:
    """Return where a difference begins, as an interval of env steps.

    >>> onset(Onset(2000, 3500, 0.95))
    'begins between env steps 2,000 and 3,500 (95 % interval)'
    """
    return (
        f"begins between env steps {steps(found.low)} and {steps(found.high)} "
        f"({percent(found.level)} interval)"
    )


def seeds(n_mine: int, n_reference: int) -> str:
    """Return the number of seeds of both sides.

    >>> seeds(5, 20)
    '5 + 20'
    """
    return f"{n_mine} + {n_reference}"


def within_margin(test: EndpointTest) -> str:
    """Return whether the difference is shown to be inside the margin, as one word or two.

    >>> one = Interval(1.0, 0.0, 2.0, 0.9)
    >>> within_margin(EndpointTest("final", one, one, one, 5.0, 0.01, True, None, None))
    'yes'
    """
    if test.is_equivalent:
        return "yes"
    return "unknown" if test.p_equivalence is None else "not shown"
