"""The k-th write, fsync, rename, open or mkdir fails, for k = 1, 2, ... until all succeeds."""

import errno
import os

import pytest

from harness.errors import StoreError
from harness.store.store import Store
from harness.store.trace import TraceWriter
from tests.store.store_toys import make_run, train

CALLS = ("write", "fsync", "replace", "rename", "open", "mkdir")


class Crash(OSError):
    """The failure that is injected."""


@pytest.fixture
def failing(monkeypatch):
    """Return a function that makes the k-th call to the file layer fail, and counts calls."""
    state = {"left": -1}

    def wrap(call):
        def wrapped(*args, **kwargs):
            state["left"] -= 1
            if state["left"] == 0:
                raise Crash(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return call(*args, **kwargs)

        return wrapped

    for name in CALLS:
        monkeypatch.setattr(os, name, wrap(getattr(os, name)))

    def arm(k):
        state["left"] = k

    def is_spent():
        return state["left"] <= 0

    return arm, is_spent


def each_crash_point(failing, act, check):
    """Fail the k-th call during `act` for k = 1 ... until it succeeds; `check` after each."""
    arm, is_spent = failing
    for k in range(1, 200):
        arm(k)
        try:
            act()
        except (OSError, StoreError):
            pass
        else:
            if not is_spent():
                arm(-1)
                check(True)
                return k - 1
        arm(-1)
        check(False)
    pytest.fail("never succeeded")
    return 0


def test_comparison_when_any_file_operation_fails_is_old_or_new(tmp_path, failing):
    store = Store(tmp_path / "results")
    folder = store.comparison_dir("c")
    store.write_comparison(folder, {"state": "old"})

    def check(is_written):
        state = store.read_comparison(folder)["state"]
        assert state == "new" if is_written else state in ("old", "new")
        assert len(list(folder.iterdir())) == 1

    n_points = each_crash_point(
        failing, lambda: store.write_comparison(folder, {"state": "new"}), check
    )
    assert n_points >= 5


def test_run_when_any_file_operation_fails_is_absent_or_whole(tmp_path, failing):
    store = Store(tmp_path / "results")
    store.prepare()
    run = make_run()

    def act():
        work_dir = store.new_work_dir(run)
        train(TraceWriter(work_dir), n_steps=10)
        store.publish(work_dir, run)

    def check(is_written):
        found = store.find(run)
        assert found is not None or not is_written
        if found is not None:
            assert store.load(run).episodes.lengths.tolist() == [10]

    assert each_crash_point(failing, act, check) >= 15
    store.prepare()
    assert list((store.root / "work").iterdir()) == []


def test_damaged_run_when_its_replacement_fails_anywhere_is_never_used(tmp_path, failing):
    store = Store(tmp_path / "results")
    store.prepare()
    run = make_run()

    def act():
        work_dir = store.new_work_dir(run)
        train(TraceWriter(work_dir), n_steps=10)
        store.publish(work_dir, run)

    act()
    (store.run_dir(run.key) / "trace.npz").write_bytes(b"rotten")

    def check(is_written):
        found = store.find(run)
        assert found is not None or not is_written
        if found is None:
            assert store.why_not(run)

    assert each_crash_point(failing, act, check) >= 15


def test_refused_write_when_reported_names_file_and_remedy(tmp_path, failing):
    store = Store(tmp_path / "results")
    folder = store.comparison_dir("c")
    failing[0](2)
    with pytest.raises(StoreError, match=r"could not write .*comparison\.json: No space left on d"):
        store.write_comparison(folder, {})
