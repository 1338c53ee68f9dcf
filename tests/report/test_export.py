import importlib.util

import numpy as np
import pandas as pd
import pytest

from harness.errors import MissingExtra, StoreError
from harness.records import Episodes, RunSpec, Series, SideSpec, Trace
from harness.report.export import COLUMNS, runs_frame, write


def run(env_id="CartPole-v1", key="k1"):
    side = SideSpec("mine.py:side", "/x.py", None, "side", None, "digest")
    return RunSpec(key, side, "dqn", env_id, 3, 100, 1, {}, "cpu", {}, {})


def trace(metric="loss"):
    ints = np.array([10, 20])
    episodes = Episodes(ints, np.array([1.5, 2.5]), ints, ints > 0, ints < 0, ints * 0)
    values = np.array([-0.5, np.nan, np.inf, -np.inf])
    return Trace(episodes, {metric: Series(np.array([1, 2, 3, 4]), values)}, {}, {})


def frame(**changes):
    return runs_frame([("mine", run(**changes), trace())])


def test_runs_frame_has_one_row_per_value_with_its_state():
    made = frame()
    assert tuple(made.columns) == COLUMNS
    loss = made[made["metric"] == "loss"]
    assert loss["state"].tolist() == ["value", "not-a-number", "+inf", "-inf"]
    assert loss["env_step"].tolist() == [1, 2, 3, 4]
    returns = made[made["metric"] == "episode_return"]
    assert returns["value"].tolist() == [1.5, 2.5]
    assert returns["env_step"].tolist() == [10, 20]
    assert set(made["seed"]) == {3}


def test_runs_frame_of_nothing_has_all_columns_and_no_row():
    made = runs_frame([])
    assert tuple(made.columns) == COLUMNS
    assert len(made) == 0


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_write_and_read_keeps_the_four_states_apart(kind, tmp_path):
    path = write(frame(), tmp_path / f"x.{kind}", kind)
    back = pd.read_csv(path) if kind == "csv" else pd.read_parquet(path)
    loss = back[back["metric"] == "loss"]
    assert loss["state"].tolist() == ["value", "not-a-number", "+inf", "-inf"]
    assert loss["value"].iloc[0] == -0.5
    assert np.isnan(loss["value"].iloc[1])
    assert loss["value"].iloc[2:].tolist() == [np.inf, -np.inf]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["=cmd()", "+x", "-x", "@x"])
def test_write_csv_of_formula_names_prefixes_them(name, tmp_path):
    made = runs_frame([("mine", run(env_id=name, key=name), trace(name))])
    back = pd.read_csv(write(made, tmp_path / "x.csv", "csv"))
    assert set(back["env_id"]) == set(back["key"]) == {f"'{name}"}
    assert f"'{name}" in set(back["metric"])


def test_write_parquet_without_pyarrow_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtra) as caught:
        write(frame(), tmp_path / "x.parquet", "parquet")
    assert str(caught.value) == (
        "expected pyarrow for --format parquet, saw none installed: "
        "run `pip install 'rl-parity[parquet]'`, or use --format csv"
    )


def test_write_that_fails_leaves_the_old_file_and_no_rest(tmp_path, monkeypatch):
    path = write(frame(), tmp_path / "x.csv", "csv")
    before = path.read_bytes()

    def fail(*_, **__):
        msg = "full"
        raise OSError(msg)

    monkeypatch.setattr(pd.DataFrame, "to_csv", fail)
    with pytest.raises(StoreError, match=r"could not write .*x\.csv: full"):
        write(frame(), path, "csv")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
