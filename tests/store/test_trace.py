import io
import math
import os
import zipfile

import numpy as np
import pytest

from harness.codec import to_json
from harness.errors import CorruptResult, FutureSchema, StoreError
from harness.records import TRACE_SCHEMA, Episodes, Series, Trace
from harness.store import archive
from harness.store.archive import pack, unpack
from harness.store.files import sealed
from harness.store.lines import encode_line, read_lines
from harness.store.trace import TraceWriter, read_done, read_progress, read_trace
from tests.store.store_toys import make_run, train

STATES = [1.0, math.nan, math.inf, -math.inf, -0.0]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "spec.json").write_text(to_json(make_run()))
    return tmp_path


def an_empty_trace(**metrics):
    columns = [np.empty(0, kind) for kind in archive.EPISODE_FIELDS.values()]
    return Trace(Episodes(*columns), metrics, {}, {})


def test_finished_trace_when_read_holds_what_was_written(folder):
    train(TraceWriter(folder), n_steps=40)
    trace = read_trace(folder)
    assert trace.episodes.end_env_step.tolist() == [10, 20, 30, 40]
    assert trace.episodes.terminated.tolist() == [True] * 4
    assert trace.metrics["loss"].env_steps.tolist() == [10, 20, 30, 40]
    assert trace.facts["env_steps"] == 40
    assert math.isnan(trace.facts["lr"][0])
    assert trace.provenance["hyperparameters"]["max_grad_norm"] == math.inf


def test_four_states_of_a_number_when_written_and_read_are_kept(folder):
    writer = TraceWriter(folder)
    for env_step, value in enumerate(STATES, start=1):
        writer.metrics(env_step, {"present": value} if env_step != 3 else {"other": value})
    lines = read_lines(folder / "trace.jsonl")
    writer.finish(facts={}, provenance={}, env_steps=5, updates=0, first_non_finite=None)
    series = read_trace(folder).metrics["present"]
    assert series.env_steps.tolist() == [1, 2, 4, 5]
    expected = np.array([1.0, math.nan, -math.inf, -0.0])
    assert series.values.tobytes() == expected.tobytes()
    assert [line["metrics"] for line in lines.records] == [
        {"present": 1.0}, {"present": "NaN"}, {"other": "Infinity"}, {"present": "-Infinity"},
        {"present": -0.0},
    ]  # fmt: skip


def test_hostile_metric_names_when_written_never_become_paths(folder):
    names = ["../../x", "/etc/passwd", "a\x00b", "<script>", "manifest", "🦀" * 300, ""]
    writer = TraceWriter(folder)
    writer.metrics(1, dict.fromkeys(names, 0.5))
    writer.finish(facts={}, provenance={}, env_steps=1, updates=0, first_non_finite=None)
    assert sorted(read_trace(folder).metrics) == sorted(names)
    members = zipfile.ZipFile(folder / "trace.npz").namelist()
    assert all(archive.MEMBER.fullmatch(member) for member in members)


def test_equal_traces_when_packed_are_equal_bytes(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "spec.json").write_text(to_json(make_run()))
    for place in (folder, other):
        train(TraceWriter(place), seed=5)
    assert (folder / "trace.npz").read_bytes() == (other / "trace.npz").read_bytes()
    first, second = read_done(folder), read_done(other)
    assert first.sha256 == second.sha256


def test_progress_when_reported_is_seen_from_outside(folder):
    assert read_progress(folder) == (0, 0)
    writer = TraceWriter(folder)
    writer.progress(12, 3)
    assert read_progress(folder) == (12, 3) == writer.counts


def test_forked_process_when_it_uses_the_writer_changes_nothing(folder):
    writer = TraceWriter(folder)
    writer.progress(5, 1)
    pid = os.fork()
    if pid == 0:
        writer.progress(99, 99)
        writer.metrics(99, {"loss": 1.0})
        train(writer)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert read_progress(folder) == (5, 1)
    assert read_lines(folder / "trace.jsonl").records == ()
    assert not (folder / "done.json").exists()


def test_non_finite_run_when_finished_says_so(folder):
    train(TraceWriter(folder), first_non_finite="loss at update 3")
    done = read_done(folder)
    assert (done.status, done.first_non_finite) == ("non-finite", "loss at update 3")


def test_wall_time_when_the_clock_advances_is_the_difference(folder):
    ticks = iter([10.0, 12.5])
    writer = TraceWriter(folder, clock=lambda: next(ticks))
    writer.finish(facts={}, provenance={}, env_steps=0, updates=0, first_non_finite=None)
    assert read_done(folder).wall_time_s == 2.5


def test_torn_tail_of_a_live_trace_when_read_is_counted(tmp_path):
    path = tmp_path / "trace.jsonl"
    whole = [encode_line({"env_step": step, "metrics": {}}) for step in range(3)]
    path.write_bytes(b"".join(whole) + whole[0][:-4])
    lines = read_lines(path)
    assert ([line["env_step"] for line in lines.records], lines.n_damaged) == ([0, 1, 2], 1)


def test_flipped_bit_in_a_live_trace_when_read_costs_only_its_line(tmp_path):
    content = b"".join(encode_line({"env_step": step, "v": 0.5}) for step in range(5))
    path = tmp_path / "trace.jsonl"
    for position in range(0, len(content), 3):
        flipped = bytearray(content)
        flipped[position] ^= 4
        path.write_bytes(bytes(flipped))
        lines = read_lines(path)
        assert 3 <= len(lines.records) <= 4
        assert lines.n_damaged >= 1


def test_future_schema_when_read_is_refused_with_both_versions(folder):
    train(TraceWriter(folder))
    document = {"schema_version": TRACE_SCHEMA + 1, "anything": 1}
    (folder / "done.json").write_bytes(sealed(document))
    with pytest.raises(FutureSchema, match=r"expected schema version 1 or older, saw 2 in .*done"):
        read_trace(folder)


def test_older_schema_when_no_migration_exists_is_refused_with_words(folder):
    (folder / "done.json").write_bytes(sealed({"schema_version": 0}))
    with pytest.raises(CorruptResult, match="no migration from 0 exists"):
        read_done(folder)


def test_folder_without_done_when_read_is_refused(folder):
    TraceWriter(folder).metrics(1, {"loss": 1.0})
    with pytest.raises(CorruptResult, match=r"done\.json that is missing"):
        read_trace(folder)


def test_pickle_inside_an_archive_when_read_is_never_executed(tmp_path):
    class Canary:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "executed"),))

    packed = io.BytesIO()
    np.savez(packed, values0=np.array([Canary()], dtype=object), allow_pickle=True)
    with pytest.raises(CorruptResult):
        unpack(packed.getvalue(), tmp_path / "trace.npz")
    assert not (tmp_path / "executed").exists()


def _zip_with(members):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members:
            file.writestr(name, content)
    return packed.getvalue()


def test_archive_when_it_claims_too_much_is_refused_before_unpacking(tmp_path, monkeypatch):
    path = tmp_path / "trace.npz"
    monkeypatch.setattr(archive, "MAX_UNPACKED_BYTES", 1000)
    with pytest.raises(CorruptResult, match="bytes unpacked, more than 1000"):
        unpack(_zip_with([("steps0.npy", b"x" * 2000)]), path)
    monkeypatch.setattr(archive, "MAX_MEMBERS", 2)
    with pytest.raises(CorruptResult, match="claims 3 members"):
        unpack(_zip_with([(f"steps{k}.npy", b"x") for k in range(3)]), path)


def test_archive_with_foreign_member_or_ratio_when_read_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "trace.npz"
    with pytest.raises(CorruptResult, match="foreign member"):
        unpack(_zip_with([("../x.npy", b"x")]), path)
    monkeypatch.setattr(archive, "MAX_RATIO", 100)
    with pytest.raises(CorruptResult, match="compression ratio"):
        unpack(_zip_with([("steps0.npy", b"\0" * 1_000_000)]), path)


def test_constant_metric_of_many_points_when_packed_can_be_read(tmp_path):
    series = Series(np.full(500_000, 7), np.zeros(500_000))
    trace = unpack(pack(an_empty_trace(loss=series)), tmp_path / "trace.npz")
    assert trace.metrics["loss"].values.shape == (500_000,)


def test_decreasing_steps_when_read_are_refused(tmp_path):
    content = pack(an_empty_trace(loss=Series(np.array([2, 1]), np.zeros(2))))
    with pytest.raises(CorruptResult, match="step order"):
        unpack(content, tmp_path / "trace.npz")


def test_every_flipped_bit_and_truncation_when_read_is_detected(folder):
    train(TraceWriter(folder))
    rng = np.random.default_rng(1)
    for name in ("trace.npz", "done.json"):
        content = (folder / name).read_bytes()
        for _ in range(150):
            flipped = bytearray(content)
            flipped[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
            (folder / name).write_bytes(bytes(flipped))
            with pytest.raises(StoreError):
                read_trace(folder)
        for cut in rng.integers(0, len(content), size=30):
            (folder / name).write_bytes(content[:cut])
            with pytest.raises(StoreError):
                read_trace(folder)
        (folder / name).write_bytes(content)
    assert read_trace(folder).facts["env_steps"] == 40
