"""What the harness knows about an algorithm: taps, hyperparameters, action types; data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from harness.errors import UnknownName, UsageError
from harness.records import Json
from harness.spec.tables import read_table, table_names

TapRole = Literal["source", "check"]
Clock = Literal["env_step", "update"]
# How the draw test looks at a source; "action": categorical or continuous, decided by its dtype;
# "once": rows of which each is taken once, in an order of no consequence.
Draws = Literal[
    "", "weights", "action", "categorical", "continuous", "indices", "permutation", "once", "noise"
]
# What a tap's values are estimates of, which probes know in closed form.
Estimates = Literal["", "state_value", "action_value"]
Kind = Literal[
    "int", "float", "bool", "schedule", "period", "int_list", "net_arch", "choice", "words"
]

# The word for "no value", which TOML and the command line lack; it is None in a call.
NONE = "none"


@dataclass(frozen=True)
class TapRow:
    """One tap of an algorithm, in data-flow order.

    Attributes:
        role: "source" carries randomness and nothing derived; "check" is computed.
        clock: what is counted when the tap fires.
        component, stage: where a difference in it sits; closed lists of `harness.records`.
        shape: as text; "" for one number, "module" for a network.
        is_traced: whether the observers reduce it to metric traces.
        fields: names of the arrays, for a tap that carries several.
        draws: what kind of random draw a source is, for the draw test; "" for none.
        counts: the number of events is itself compared; else an event of one side only is no
            difference.
        drawn_from: of a source, the sources that it may be computed from. Where mine taps those
            of them that the reference has, its value is no draw of its own: it is compared.
        is_remembered: what is computed from this draw depends on the earlier ones of the episode.
        greedy_of: module tap and tap of its input, where the action without chance is the module's
            largest output; () where it cannot be derived so.
        gathers: name of the tap whose stored rows these rows are taken from, or "".
        spanning: fields of such a row that, with n_steps > 1, come from several stored rows.
        field_components: field -> component, where a difference in this field alone sits elsewhere.
        at_ends: fields of these of which that holds only where an episode ended; elsewhere a
            difference in them sits where the tap's does.
        terms: other tap -> component, where a difference sits that is a multiple of it.
        is_repeated: fires as often within an update as it takes (candidates of a search), so that a
            further event begins no further update.
        is_optional: an implementation or a setting may lack it; not observed is then no gap.
        estimates: which values these are estimates of, at the end of training; "" for none.
    """

    name: str
    role: TapRole
    clock: Clock
    component: str
    stage: str
    unit: str
    shape: str
    is_traced: bool
    description: str
    fields: tuple[str, ...] = ()
    draws: Draws = ""
    drawn_from: tuple[str, ...] = ()
    is_remembered: bool = False
    greedy_of: tuple[str, ...] = ()
    counts: bool = False
    gathers: str = ""
    spanning: tuple[str, ...] = ()
    is_repeated: bool = False
    is_optional: bool = False
    estimates: Estimates = ""
    field_components: Mapping[str, str] = field(default_factory=dict)
    at_ends: tuple[str, ...] = ()
    terms: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Hyperparameter:
    """One hyperparameter under SB3's name; `minimum` and `maximum` are inclusive.

    `words` may stand in place of a value of its kind: "none" (None in a call) or, say, "auto";
    "auto_X" means "auto_" and a number of the kind, within the bounds. Kind "words": words alone.
    `idle`: values that switch something off, so that a side without it does the same.
    `of`: hyperparameters that it belongs to: it is idle where all of them are, whatever it is.
    """

    name: str
    kind: Kind
    default: Json
    description: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    idle: tuple[Json, ...] = ()
    of: tuple[str, ...] = ()


@dataclass(frozen=True)
class Card:
    """Everything that the harness knows about one algorithm.

    Attributes:
        action_types: of "discrete", "continuous", "multi-discrete" and "multi-binary".
        observation_spaces: class names of gymnasium spaces that the algorithm takes.
        warmup: hyperparameter that holds the env steps before learning begins, or "".
        defaults_source: where the defaults of the hyperparameters come from, as reports say it.
        aliases: other libraries' spellings -> SB3's name.
    """

    algo: str
    title: str
    paper: str
    action_types: tuple[str, ...]
    observation_spaces: tuple[str, ...]
    warmup: str
    defaults_source: str
    taps: tuple[TapRow, ...]
    hyperparameters: Mapping[str, Hyperparameter]
    aliases: Mapping[str, str]

    @property
    def defaults(self) -> dict[str, Json]:
        """Every hyperparameter with its default value."""
        return {name: row.default for name, row in self.hyperparameters.items()}

    @property
    def estimates(self) -> dict[str, str]:
        """Tap name -> which values it estimates, of the taps that do."""
        return {tap.name: tap.estimates for tap in self.taps if tap.estimates}

    @property
    def tap_clocks(self) -> dict[str, str]:
        """Tap name -> clock, in data-flow order; "none": known, but not traced."""
        return {tap.name: tap.clock if tap.is_traced else "none" for tap in self.taps}


def algos() -> tuple[str, ...]:
    """Return the names of all algorithms that have a card, sorted."""
    return table_names("cards")


@cache
def card(algo: str) -> Card:
    """Return the card of `algo`.

    Raises:
        UnknownName: there is no such card; names the nearest. UsageError: it is not complete.

    >>> card("dqn").action_types
    ('discrete',)
    """
    if algo not in algos():
        raise UnknownName(kind="algorithm", name=algo, valid=algos(), where="--algo")
    table = read_table(f"cards/{algo}.toml")
    _check(table, algo)
    return Card(
        algo=table["name"],
        title=table["title"],
        paper=table["paper"],
        action_types=tuple(table["action_types"]),
        observation_spaces=tuple(table["observation_spaces"]),
        warmup=table.get("warmup", ""),
        defaults_source=table["defaults_source"],
        taps=tuple(_tap(row) for row in table["taps"]),
        hyperparameters={n: _hyperparameter(n, r) for n, r in table["hyperparameters"].items()},
        aliases=dict(table["aliases"]),
    )


def idle(algo: str, hyperparameters: Mapping[str, Json]) -> tuple[str, ...]:
    """Return the names of those hyperparameters whose value switches something off.

    >>> idle("sac", {"n_steps": 1, "tau": 1.0})
    ('n_steps',)
    """
    rows = card(algo).hyperparameters if algo in algos() else {}
    off = {n for n, v in hyperparameters.items() if n in rows and v in rows[n].idle}
    return tuple(
        n
        for n in hyperparameters
        if n in off or (n in rows and rows[n].of and off >= {*rows[n].of})
    )


def _check(table: Mapping[str, Json], algo: str) -> None:
    from harness.spec.cards.check import problems  # its tables are made of the records above

    found = problems(table, name=algo)
    if found:
        message = f"the card harness/spec/cards/{algo}.toml is not complete:"
        raise UsageError("\n  ".join([message, *found]))


def _tap(row: Mapping[str, Json]) -> TapRow:
    lists = {
        name: tuple(row.get(name, ()))
        for name in ("fields", "drawn_from", "greedy_of", "spanning", "at_ends")
    }
    return TapRow(**{**row, **lists})


def _hyperparameter(name: str, row: Mapping[str, Json]) -> Hyperparameter:
    lists = {key: tuple(row.get(key, ())) for key in ("choices", "words", "idle", "of")}
    has_none = NONE in lists["words"]
    default = None if row["default"] == NONE and has_none else row["default"]
    lists["idle"] = tuple(None if v == NONE and has_none else v for v in lists["idle"])
    return Hyperparameter(**{**row, **lists, "name": name, "default": default})
