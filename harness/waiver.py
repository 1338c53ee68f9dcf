"""Waivers: differences that a user declares, each hiding one quantity until a stated day.

Pure: what was compared goes in as `Checked`, the day as an argument. A waiver hides exactly the
quantity that it names, so a second difference in the same component stays a finding. One whose
quantity agrees again, or whose day has passed, is itself a failure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from harness.errors import nearest

# Where a difference is seen; words of `Finding.level`.
LEVELS = ("fact", "segment", "draw", "twin", "sanity", "trace", "curve")

State = Literal["differs", "agrees", "undecided"]
Status = Literal["applied", "no longer differs", "expired", "undecided", "out of scope"]

# A declaration that is wrong: the comparison may not pass with it.
FAILING: tuple[Status, ...] = ("no longer differs", "expired")

# Parts of a quantity: fields of a tap, and what they are reduced to ("transition.reward.mean"). A
# number is no part: `loss.1` is the loss of another optimiser.
_PARTS = re.compile(r"(\.[A-Za-z_][A-Za-z0-9_]*)+")


@dataclass(frozen=True)
class Waiver:
    """One declared difference.

    Attributes:
        what: a tap or segment, metric, fact, source of draws, sanity check or quantity of the twin
            run, as reports name it; or one field of a tap, "transition.reward".
        expires: the last day on which it holds, "2027-06-30".
        level: one of `LEVELS`, or "" for every one.
        algo, env: where it holds; "" for everywhere. owner: who answers for it, or "".
    """

    what: str
    reason: str
    expires: str
    level: str = ""
    algo: str = ""
    env: str = ""
    owner: str = ""


@dataclass(frozen=True)
class Checked:
    """One quantity that was compared in one environment.

    Attributes:
        state: "undecided" when a statistical test did not reject: that shows no agreement.
        fields: of these alone it differs; empty when it differs as a whole, or not at all.
    """

    level: str
    quantity: str
    env_id: str
    state: State
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class WaiverRow:
    """What became of one waiver in a comparison; `detail` is one sentence, or ""."""

    waiver: Waiver
    status: Status
    detail: str = ""


@dataclass(frozen=True)
class Applied:
    """The waivers, applied.

    Attributes:
        reasons: waived difference -> the reason given. rows: one per waiver, in their order.
    """

    reasons: Mapping[Checked, str]
    rows: tuple[WaiverRow, ...]


def is_expired(waiver: Waiver, today: date) -> bool:
    """Return whether the last day of the waiver has passed.

    >>> is_expired(Waiver("td_target", "on purpose", "2027-06-30"), date(2027, 6, 30))
    False
    """
    return date.fromisoformat(waiver.expires) < today


def matches(waiver: Waiver, *, level: str, quantity: str, algo: str, env_id: str) -> bool:
    """Return whether the waiver speaks of this quantity: of the whole, or of all this part is in.

    >>> double = Waiver("td_target", "double Q-learning", "2027-06-30", algo="dqn")
    >>> matches(double, level="trace", quantity="td_target.std", algo="dqn", env_id="CartPole-v1")
    True
    """
    return _is_in_scope(waiver, algo=algo, env_id=env_id, level=level) and (
        waiver.what == quantity or _is_part(quantity, of=waiver.what)
    )


def apply_waivers(
    checked: Sequence[Checked], waivers: Sequence[Waiver], *, algo: str, today: date
) -> Applied:
    """Return which differences are waived and what became of every waiver.

    Args:
        checked: everything that was compared, whatever came out. A quantity that belongs to no
            environment (a segment) stands here once for every environment of the comparison.
        today: the day of the comparison; an expired waiver hides nothing.
    """
    in_force = [waiver for waiver in waivers if not is_expired(waiver, today)]
    found = {one: _reason(one, in_force, algo) for one in checked if one.state == "differs"}
    return Applied(
        reasons={one: reason for one, reason in found.items() if reason},
        rows=tuple(_row(waiver, checked, algo=algo, today=today) for waiver in waivers),
    )


def reason_of(applied: Applied, *checked: Checked) -> str:
    """Return why a row of the report is waived; "" unless everything that differs in it is."""
    differing = [one for one in checked if one.state == "differs"]
    reasons = [applied.reasons.get(one, "") for one in differing]
    return "; ".join(dict.fromkeys(reasons)) if all(reasons) else ""


def failures(rows: Sequence[WaiverRow]) -> tuple[str, ...]:
    """Return one sentence per waiver that fails, for the rules of the verdict."""
    return tuple(
        f"waiver of {row.waiver.what!r}: {row.detail}" for row in rows if row.status in FAILING
    )


def _is_in_scope(waiver: Waiver, *, algo: str, env_id: str, level: str) -> bool:
    pairs = ((waiver.algo, algo), (waiver.env, env_id), (waiver.level, level))
    return all(not wanted or wanted == seen for wanted, seen in pairs)


def _is_part(quantity: str, *, of: str) -> bool:
    rest = quantity.removeprefix(of)
    return quantity.startswith(of) and _PARTS.fullmatch(rest) is not None


def _reason(one: Checked, waivers: Sequence[Waiver], algo: str) -> str:
    """Return the reasons why a difference is waived; "" unless all of its fields are."""
    parts = [f"{one.quantity}.{name}" for name in one.fields] or [one.quantity]
    reasons = []
    for part in parts:
        scope = {"level": one.level, "quantity": part, "algo": algo, "env_id": one.env_id}
        covering = [waiver.reason for waiver in waivers if matches(waiver, **scope)]
        reasons.append(covering[0] if covering else "")
    return "; ".join(dict.fromkeys(reasons)) if all(reasons) else ""


def _row(waiver: Waiver, checked: Sequence[Checked], *, algo: str, today: date) -> WaiverRow:
    elsewhere = _elsewhere(waiver, checked, algo)
    if elsewhere:
        return WaiverRow(waiver, "out of scope", elsewhere)
    states = {state for one in checked if (state := _state(waiver, one, algo))}
    if is_expired(waiver, today):
        differs = " and it differs" if "differs" in states else ""
        detail = f"expired after {waiver.expires}{differs}; extend it with a reason, or remove it"
        return WaiverRow(waiver, "expired", detail)
    if "differs" in states:
        return WaiverRow(waiver, "applied")
    if "agrees" in states:
        detail = f"{waiver.what} no longer differs; remove the waiver"
        return WaiverRow(waiver, "no longer differs", detail)
    if "undecided" in states:
        return WaiverRow(waiver, "undecided", "no difference is shown, and no agreement either")
    return WaiverRow(waiver, "out of scope", _not_checked(waiver, checked))


def _elsewhere(waiver: Waiver, checked: Sequence[Checked], algo: str) -> str:
    """Return why the waiver is for another comparison; "" when it is for this one."""
    if waiver.algo and waiver.algo != algo:
        return f"declared for {waiver.algo}, this is {algo}"
    if waiver.env and waiver.env not in {one.env_id for one in checked}:
        return f"{waiver.env} is not compared here"
    return ""


def _state(waiver: Waiver, one: Checked, algo: str) -> State | None:
    """Return what one comparison says about the waiver's quantity; None: it is about another."""
    if not _is_in_scope(waiver, algo=algo, env_id=one.env_id, level=one.level):
        return None
    if waiver.what == one.quantity or _is_part(one.quantity, of=waiver.what):
        return one.state
    if not _is_part(waiver.what, of=one.quantity):
        return None
    if one.state != "differs":
        return one.state
    field = waiver.what.removeprefix(f"{one.quantity}.")
    if one.fields:
        return "differs" if field in one.fields else "agrees"
    return "undecided"


def _not_checked(waiver: Waiver, checked: Sequence[Checked]) -> str:
    """Return that nothing of this name was compared, with the nearest names that were."""
    known = [one.quantity for one in checked if waiver.level in ("", one.level)]
    near = " or ".join(repr(name) for name in nearest(waiver.what, dict.fromkeys(known)))
    level = f" at the level {waiver.level}" if waiver.level else ""
    hint = f"; did you mean {near}?" if near and waiver.what not in known else ""
    return f"nothing of this name was checked here{level}{hint}"
