"""Measured values as one long table, for spreadsheets and notebooks."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from harness.errors import MissingExtra
from harness.files import make_folder, replace_atomic
from harness.records import Role, RunSpec, Series, Trace
from harness.report.text import csv as csv_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

Format = Literal["csv", "parquet"]
# What `value` is; a value that was never measured has no row at all.
# "nan" would not do: readers of CSV take that word for a missing cell.
STATES = ("value", "not-a-number", "+inf", "-inf")
COLUMNS = ("role", "env_id", "seed", "key", "metric", "env_step", "value", "state")
_FOREIGN_TEXT = ("role", "env_id", "key", "metric")  # `state` is ours and closed: never prefixed


def runs_frame(runs: Iterable[tuple[Role, RunSpec, Trace]]) -> pd.DataFrame:
    """Return every measured value of the runs, one row each, in the order given.

    Columns: role, env_id, seed, key, metric, env_step, value, state. Episodes come as metrics
    episode_return (reward) and episode_length (env steps) at the env step of their end. `state`
    keeps finite values, NaN, +inf and -inf apart in formats that do not; absent values have no row.
    """
    blocks = [
        _block(role, run, metric, series)
        for role, run, trace in runs
        for metric, series in _all_series(trace)
    ]
    frame = pd.concat(blocks, ignore_index=True) if blocks else _block_of_nothing()
    for column in (*_FOREIGN_TEXT, "state"):
        frame[column] = frame[column].astype("category")
    return frame[list(COLUMNS)]


def _all_series(trace: Trace) -> Iterable[tuple[str, Series]]:
    """Yield the episodes as series, then the metrics by name."""
    episodes = trace.episodes
    lengths = episodes.lengths.astype(np.float64)
    yield "episode_return", Series(episodes.end_env_step, episodes.returns)
    yield "episode_length", Series(episodes.end_env_step, lengths)
    for metric in sorted(trace.metrics):
        yield metric, trace.metrics[metric]


def _block(role: Role, run: RunSpec, metric: str, series: Series) -> pd.DataFrame:
    """Return the rows of one series; the text columns are repeated by reference."""
    return pd.DataFrame(
        {
            "role": role,
            "env_id": run.env_id,
            "seed": run.seed,
            "key": run.key,
            "metric": metric,
            "env_step": series.env_steps,
            "value": series.values,  # noqa: PD011 - our record, not pandas
            "state": states(series.values),
        }
    )


def _block_of_nothing() -> pd.DataFrame:
    """Return a frame with all columns and no row."""
    kinds = {"seed": "int64", "env_step": "int64", "value": "float64"}
    return pd.DataFrame({name: pd.Series(dtype=kinds.get(name, "object")) for name in COLUMNS})


def states(values: NDArray[np.float64]) -> NDArray[np.object_]:
    """Return one of `STATES` for each value.

    >>> states(np.array([1.0, np.nan, np.inf, -np.inf])).tolist()
    ['value', 'not-a-number', '+inf', '-inf']
    """
    index = np.select([np.isnan(values), np.isposinf(values), np.isneginf(values)], [1, 2, 3])
    named: NDArray[np.object_] = np.array(STATES, dtype=object)[index]
    return named


def write(frame: pd.DataFrame, path: Path, format: Format) -> Path:  # noqa: A002 - pandas' word
    """Write the table to `path` as a whole or not at all; return `path`.

    In CSV, text that begins with = + - @ gets a leading quote, so that no spreadsheet runs it.

    Raises:
        MissingExtra: Parquet without its extra. StoreError: the disk refuses; names the file.
    """
    make_folder(path.parent)
    if format == "parquet":
        _need_parquet()
        return replace_atomic(path, lambda part: frame.to_parquet(part, index=False))
    safe = frame.copy()
    for column in _FOREIGN_TEXT:
        texts = safe[column].astype("category")
        safe[column] = texts.map({text: csv_text(str(text)) for text in texts.cat.categories})
    return replace_atomic(
        path, lambda part: safe.to_csv(part, index=False, encoding="utf-8", lineterminator="\n")
    )


def _need_parquet() -> None:
    """Refuse without pyarrow, with the line that installs it."""
    if importlib.util.find_spec("pyarrow") is None:
        message = (
            "expected pyarrow for --format parquet, saw none installed: "
            "run `pip install 'rl-parity[parquet]'`, or use --format csv"
        )
        raise MissingExtra(message)
