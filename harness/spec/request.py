"""The request as the user wrote it: command line over `[tool.compare]` over defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.records import Json
from harness.spec.tiers import DEFAULT_BUDGET

DEFAULT_ALPHA = 0.05
# One standard deviation of the reference's own seeds: changing the implementation matters less
# than changing the seed.
DEFAULT_MARGIN = "1sd"


@dataclass(frozen=True)
class Request:
    """One request for a comparison, in the user's words.

    Attributes:
        envs: tier names and gymnasium ids, mixed.
        mine, reference: a side as attached, or None for the default.
        mine_taps, reference_taps: path of a TOML tap map for the side, or None for its own.
        seeds: a number ("5") or a list ("0,1,7"), or None for adaptive.
        settings: hyperparameters in the user's words, name -> text or value.
        margin: "1sd", "0.5sd" or a reward such as "20".
        asked: option name -> what the user wrote, for the report.
        waivers: path of a TOML file of declared deviations; None is the default file, if any.
        today: the day of the comparison, "2027-06-30"; "" is the computer's.
    """

    algo: str
    envs: tuple[str, ...]
    mine: str | None = None
    reference: str | None = None
    mine_taps: str | None = None
    reference_taps: str | None = None
    seeds: str | None = None
    total_timesteps: str | None = None
    budget: str = DEFAULT_BUDGET
    settings: Mapping[str, Json] = field(default_factory=dict)
    alpha: float = DEFAULT_ALPHA
    margin: str = DEFAULT_MARGIN
    device: str = "cpu"
    is_paired: bool = False
    keep_going: bool = False
    difference_test: str = "max-t"
    asked: Mapping[str, Json] = field(default_factory=dict)
    waivers: str | None = None
    today: str = ""
