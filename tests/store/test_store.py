import dataclasses
import math
import shutil

import numpy as np
import pytest

from harness.errors import CorruptResult, StoreError
from harness.records import Outcome
from harness.store.store import Store
from harness.store.trace import TraceWriter
from tests.store.store_toys import make_run, train

OTHER = "cd" * 32


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "results")
    store.prepare()
    return store


def publish(store, run, **how):
    work_dir = store.new_work_dir(run)
    train(TraceWriter(work_dir), **how)
    return store.publish(work_dir, run)


def test_run_when_published_is_found_and_loaded(store):
    record = publish(store, make_run())
    found = store.find(make_run())
    assert (record.outcome, record.is_cached) == (Outcome.DONE, False)
    assert found == dataclasses.replace(record, is_cached=True)
    assert store.load(make_run()).episodes.lengths.tolist() == [10] * 4
    assert store.why_not(make_run()) == ""


def test_run_when_absent_is_not_found(store):
    assert store.find(make_run()) is None
    assert store.why_not(make_run()) == "not trained yet"
    with pytest.raises(CorruptResult):
        store.load(make_run())


def test_published_folder_when_listed_holds_only_what_belongs_to_a_run(store):
    run = make_run()
    work_dir = store.new_work_dir(run)
    (work_dir / "cwd").mkdir()
    (work_dir / "cwd" / "checkpoint.pt").write_bytes(b"x")
    (work_dir / "stderr.log").write_text("words")
    train(TraceWriter(work_dir))
    store.publish(work_dir, run)
    names = sorted(path.name for path in store.run_dir(run.key).iterdir())
    assert names == ["done.json", "spec.json", "stderr.log", "trace.npz"]
    assert not work_dir.exists()


def test_non_finite_run_when_found_is_usable_and_says_where(store):
    publish(store, make_run(), first_non_finite="loss was nan at update 3")
    found = store.find(make_run())
    assert (found.outcome, found.is_usable) == (Outcome.NON_FINITE, True)
    assert found.message == (
        "trained to the end, but loss was nan at update 3; "
        "look at the learning rate and the loss there"
    )


def test_folders_of_two_runs_when_swapped_are_detected(store):
    first, second = make_run(), make_run(OTHER, seed=4)
    publish(store, first)
    publish(store, second)
    place, other = store.run_dir(first.key), store.run_dir(second.key)
    spare = store.root / "spare"
    shutil.move(place, spare)
    shutil.move(other, place)
    shutil.move(spare, other)
    assert store.find(first) is None
    assert "belongs to another run" in store.why_not(first)
    with pytest.raises(CorruptResult, match="belongs to another run than its folder's name says"):
        store.load(second)


def test_files_of_two_runs_when_swapped_are_detected(store):
    first, second = make_run(), make_run(OTHER, seed=4)
    publish(store, first, seed=0)
    publish(store, second, seed=1)
    for name in ("trace.npz", "spec.json", "done.json"):
        mine, other = store.run_dir(first.key) / name, store.run_dir(second.key) / name
        kept = mine.read_bytes()
        mine.write_bytes(other.read_bytes())
        assert store.find(first) is None, name
        mine.write_bytes(kept)
    assert store.find(first) is not None


def test_run_when_the_side_moved_or_is_named_otherwise_is_still_found(store):
    run = make_run()
    publish(store, run)
    side = dataclasses.replace(run.side, name="other name", file="/elsewhere/toy.py")
    assert store.find(dataclasses.replace(run, side=side)) is not None


def test_damaged_run_when_trained_again_is_replaced(store):
    run = make_run()
    publish(store, run)
    trace = store.run_dir(run.key) / "trace.npz"
    trace.write_bytes(trace.read_bytes()[:-1])
    assert store.find(run) is None
    assert "does not match the checksum" in store.why_not(run)
    publish(store, run)
    assert store.find(run) is not None
    assert list((store.root / "work").iterdir()) == []


def test_two_publishers_of_one_run_when_both_finish_have_one_winner(store):
    run = make_run()
    first, second = store.new_work_dir(run), store.new_work_dir(run)
    train(TraceWriter(first), n_steps=40)
    train(TraceWriter(second), n_steps=20)
    store.publish(first, run)
    record = store.publish(second, run)
    assert record.env_steps == 40
    assert not second.exists()


def test_unfinished_work_when_published_is_refused(store):
    run = make_run()
    work_dir = store.new_work_dir(run)
    TraceWriter(work_dir).metrics(1, {"loss": 1.0})
    with pytest.raises(CorruptResult):
        store.publish(work_dir, run)
    assert store.find(run) is None


def test_claim_when_held_is_refused_to_others_until_released(store):
    claim = store.try_claim("ab")
    assert store.try_claim("ab") is None
    assert Store(store.root).try_claim("ab") is None
    with store.claim("cd") as is_free:
        assert is_free
    claim.release()
    claim.release()
    again = store.try_claim("ab")
    assert again is not None
    again.release()


def test_work_of_a_dead_invocation_when_prepared_is_removed_unless_claimed(store):
    dead, alive = store.new_work_dir(make_run()), store.new_work_dir(make_run(OTHER))
    with store.claim(OTHER):
        Store(store.root).prepare()
        assert (dead.exists(), alive.exists()) == (False, True)


def test_failed_run_when_kept_leaves_its_logs_only(store):
    run = make_run()
    work_dir = store.new_work_dir(run)
    (work_dir / "stderr.log").write_text("boom")
    (work_dir / "big.bin").write_bytes(b"x" * 1000)
    place = store.keep_failed(work_dir, run)
    assert [path.name for path in (store.root / place).iterdir()] == ["stderr.log"]
    assert not work_dir.exists()


def test_root_that_is_a_file_when_prepared_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"expected a folder for results.*pass another with --res"):
        Store(tmp_path / "file").prepare()


def test_disk_nearly_full_when_prepared_says_both_figures(store):
    with pytest.raises(StoreError, match=r"expected at least \d+ MiB free for results, saw \d+ Mi"):
        store.prepare(min_free_bytes=1 << 60)


HOSTILE = ["..", "../x", "/etc", "a/b", "", ".hidden", "a\x00b", "x" * 300, "a..b", "ü", "a\n"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_name_when_used_as_folder_is_refused(store, name):
    before = sorted(store.root.rglob("*"))
    with pytest.raises(StoreError, match="expected a comparison name of letters"):
        store.comparison_dir(name)
    with pytest.raises(StoreError, match="expected a run key of letters"):
        store.find(make_run(name))
    assert sorted(store.root.rglob("*")) == before


def test_comparison_when_written_and_read_is_equal(store):
    folder = store.comparison_dir("dqn-easy")
    document = {"runs": [{"key": "ab", "p": math.inf}], "spec": make_run()}
    store.write_comparison(folder, document)
    read = store.read_comparison(folder)
    assert read["runs"] == [{"key": "ab", "p": "Infinity"}]
    assert read["spec"]["seed"] == 3


def test_comparison_when_damaged_or_absent_is_refused(store):
    folder = store.comparison_dir("dqn-easy")
    with pytest.raises(StoreError, match=r"saw no comparison\.json"):
        store.read_comparison(folder)
    store.write_comparison(folder, {"runs": list(range(20))})
    path = folder / "comparison.json"
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(100):
        flipped = bytearray(content)
        flipped[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(flipped))
        with pytest.raises(CorruptResult):
            store.read_comparison(folder)
