"""Whether a card is complete: every key there, every word one of its closed list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Literal, get_args, get_origin, get_type_hints

from harness.errors import nearest_sentence
from harness.records import COMPONENTS, STAGES, Json
from harness.spec.cards.card import Hyperparameter, TapRow

# Keys of a card's file: what it must have, and what it may have. `own_defaults`: hyperparameters
# whose default is this project's and not the library's.
KEYS: tuple[str, ...] = (
    "name",
    "title",
    "paper",
    "action_types",
    "observation_spaces",
    "warmup",
    "defaults_source",
    "defaults_from",
    "taps",
    "hyperparameters",
    "aliases",
)
MAY = ("own_defaults",)
ACTION_TYPES = ("discrete", "continuous", "multi-discrete", "multi-binary")
# A tap's fields that hold a word of a closed list, beside those whose type says it.
LISTS: Mapping[str, tuple[str, ...]] = {"component": COMPONENTS, "stage": STAGES}

# Record -> field -> words, of the fields whose type lists them. Types are slow to resolve, and a
# card is read whenever a comparison or a run starts.
_LISTED = {
    record: {
        key: get_args(hint)
        for key, hint in get_type_hints(record).items()
        if get_origin(hint) is Literal
    }
    for record in (Hyperparameter, TapRow)
}


def problems(table: Mapping[str, Json], *, name: str) -> tuple[str, ...]:
    """Return what is missing or wrong in a card's file, in words; empty for a complete card.

    Args:
        table: the file, read. name: of the file, without its ending.
    """
    missing = [f"{key!r} is missing" for key in KEYS if key not in table]
    if missing:
        return tuple(missing)
    return (
        *(f"key {key!r}: {nearest_sentence(key, KEYS)}" for key in {*table} - {*KEYS, *MAY}),
        *_of_head(table, name),
        *(words for row in table["taps"] for words in _of_tap(row, table["taps"])),
        *_of_order(table["taps"]),
        *(w for n, row in table["hyperparameters"].items() for w in _of_hyperparameter(n, row)),
        *_of_belonging(table["hyperparameters"]),
        *_of_aliases(table["aliases"], table["hyperparameters"]),
    )


def _of_head(table: Mapping[str, Json], name: str) -> Iterator[str]:
    if table["name"] != name:
        yield f"expected name {name!r}, as the file, got {table['name']!r}"
    for key in ("title", "paper", "defaults_source", "defaults_from"):
        if not table[key]:
            yield f"{key!r} is empty"
    for word in table["action_types"] or [""]:
        if word not in ACTION_TYPES:
            yield f"action type {word!r}: {nearest_sentence(word, ACTION_TYPES)}"
    named = [*([table["warmup"]] if table["warmup"] else []), *table.get("own_defaults", ())]
    yield from (
        f"{word!r} is no hyperparameter of the card"
        for word in named
        if word not in table["hyperparameters"]
    )


def _of_tap(row: Mapping[str, Json], every: list[Mapping[str, Json]]) -> Iterator[str]:
    where = f"tap {row.get('name', '?')!r}"
    yield from _of_keys(row, where)
    if not row.get("description"):
        yield f"{where}: its description is empty"
    if row.get("role") == "source" and not row.get("draws"):
        yield f"{where}: a source says how its draws are looked at (draws)"
    names = [one.get("name") for one in every]
    if names.count(row.get("name")) > 1:
        yield f"{where} stands twice"
    yield from _of_pointers(row, names, where)


def _of_keys(row: Mapping[str, Json], where: str) -> Iterator[str]:
    known = {one.name: one for one in fields(TapRow)}
    for key, one in known.items():
        if one.default is MISSING and one.default_factory is MISSING and key not in row:
            yield f"{where}: {key!r} is missing"
    for key, value in row.items():
        if key not in known:
            yield f"{where}: key {key!r}: {nearest_sentence(key, known)}"
        allowed = LISTS.get(key) or _words_of(TapRow, key)
        if allowed and value not in allowed:
            yield f"{where}: {key} {value!r}: {nearest_sentence(str(value), allowed)}"


def _of_pointers(row: Mapping[str, Json], names: list[Json], where: str) -> Iterator[str]:
    """Yield what points to a tap, a field or a component that there is none of."""
    taps = [*row.get("drawn_from", ()), *([row["gathers"]] if row.get("gathers") else [])]
    for other in (*taps, *row.get("terms", ())):
        if other not in names:
            yield f"{where}: {other!r} is no tap of the card"
    own = row.get("fields", ())
    for part in (
        *row.get("spanning", ()),
        *row.get("at_ends", ()),
        *row.get("field_components", ()),
    ):
        if part not in own:
            yield f"{where}: {part!r} is none of its fields"
    for components in (row.get("terms", {}), row.get("field_components", {})):
        for word in components.values():
            if word not in COMPONENTS:
                yield f"{where}: component {word!r}: {nearest_sentence(word, COMPONENTS)}"


def _of_order(taps: list[Mapping[str, Json]]) -> Iterator[str]:
    """Yield the taps that stand after one of a later stage."""
    latest = 0
    for row in taps:
        stage = row.get("stage")
        place = STAGES.index(stage) if stage in STAGES else latest
        if place < latest:
            yield f"tap {row.get('name')!r} of stage {stage!r} stands after {STAGES[latest]!r}"
        latest = max(latest, place)


def _of_hyperparameter(name: str, row: Mapping[str, Json]) -> Iterator[str]:
    known = {one.name for one in fields(Hyperparameter)} - {"name"}
    where = f"hyperparameter {name!r}"
    for key in ("kind", "default", "description"):
        if row.get(key, "") == "":
            yield f"{where}: {key!r} is missing"
    for key in {*row} - known:
        yield f"{where}: key {key!r}: {nearest_sentence(key, known)}"
    kinds = _words_of(Hyperparameter, "kind")
    if row.get("kind", kinds[0]) not in kinds:
        yield f"{where}: kind {row['kind']!r}: {nearest_sentence(str(row['kind']), kinds)}"


def _of_belonging(rows: Mapping[str, Mapping[str, Json]]) -> Iterator[str]:
    """Yield the hyperparameters that belong to one that there is not, or that is never off."""
    for name, row in rows.items():
        for other in row.get("of", ()):
            if other not in rows:
                yield f"hyperparameter {name!r}: {other!r} is no hyperparameter of the card"
            elif not rows[other].get("idle"):
                yield f"hyperparameter {name!r}: no value of {other!r} is idle"


def _of_aliases(aliases: Mapping[str, Json], names: Mapping[str, Json]) -> Iterator[str]:
    for alias, name in aliases.items():
        if name not in names:
            yield f"alias {alias!r}: {name!r} is no hyperparameter of the card"
        if alias in names:
            yield f"alias {alias!r} is a hyperparameter of the card"


def _words_of(record: type[Hyperparameter | TapRow], key: str) -> tuple[str, ...]:
    """Return the words of a field whose type lists them, else none."""
    return _LISTED[record].get(key, ())
