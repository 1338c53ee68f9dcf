import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

from harness.errors import Interrupted, RunFailed, StoreError, UsageError
from harness.records import Outcome
from harness.run import supervisor
from harness.run.executor import LocalExecutor as FullExecutor
from harness.run.limits import Limits
from harness.store.store import Store
from tests.run.run_toys import HEALTHY, make_run, write_side

# Without torch._dynamo and SB3 a launcher starts three times as fast; no toy needs them.
LocalExecutor = partial(FullExecutor, preload=("torch", "gymnasium", "harness.run.observe"))
ROOT = Path(__file__).parents[2]
PATIENCE_S = 60


class Recorder:
    """Keeps what an executor reports."""

    def __init__(self):
        self.events = []

    def started(self, run):
        self.events.append(("started", run.seed))

    def advanced(self, run, env_steps, _updates):
        self.events.append(("advanced", run.seed, env_steps))

    def finished(self, record):
        self.events.append(("finished", record.spec.seed))


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def drive(store, first, n_runs, side):
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.run.drive",
            str(store.root),
            str(first),
            str(n_runs),
            side.file,
        ],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def wait_for(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_runs_when_more_than_jobs_start_in_order_of_submission(store, tmp_path):
    side, recorder = write_side(tmp_path, HEALTHY), Recorder()
    with LocalExecutor(store, jobs=2, progress=recorder) as executor:
        for number in (3, 1, 2, 0):
            executor.submit(make_run(side, number, seed=number))
        assert len(executor.pending()) == 4
        records = [executor.next_finished() for _ in range(4)]
        started = [event[1] for event in recorder.events if event[0] == "started"]
        assert started == [3, 1, 2, 0]
        assert {record.outcome for record in records} == {Outcome.DONE}
        executor.submit(make_run(side, 1, seed=1))
        assert executor.next_finished().is_cached
        assert executor.pending() == ()
        with pytest.raises(LookupError, match="no run is pending"):
            executor.next_finished()


def test_key_when_submitted_twice_gives_one_record(store, tmp_path):
    side = write_side(tmp_path, HEALTHY)
    with LocalExecutor(store, jobs=2) as executor:
        executor.submit(make_run(side, 1))
        executor.submit(make_run(side, 1))
        assert executor.next_finished().outcome is Outcome.DONE
        assert executor.pending() == ()


def test_stored_runs_when_all_are_cached_need_no_writable_store(store, tmp_path):
    side = write_side(tmp_path, HEALTHY)
    with LocalExecutor(store, jobs=1) as executor:
        executor.submit(make_run(side, 1))
        executor.next_finished()
    with LocalExecutor(store, jobs=1) as executor:
        executor._store.prepare = None  # would fail if called
        executor.submit(make_run(side, 1))
        assert executor.next_finished().is_cached


def test_equal_runs_when_trained_side_by_side_are_equal_bytes(store, tmp_path):
    side, other = write_side(tmp_path, HEALTHY), Store(tmp_path / "other")
    for place in (store, other):
        with LocalExecutor(place, jobs=2) as executor:
            for number in range(2):
                executor.submit(make_run(side, number, seed=number))
            for _ in range(2):
                executor.next_finished()
    for number in range(2):
        key = make_run(side, number).key
        traces = [(place.run_dir(key) / "trace.npz").read_bytes() for place in (store, other)]
        assert traces[0] == traces[1]


def test_cancelled_runs_when_in_flight_or_queued_are_ended(store, tmp_path):
    hanging, healthy = (
        write_side(tmp_path, "train(call, 5)\ntime.sleep(1000)", "hanging"),
        write_side(tmp_path, HEALTHY),
    )
    runs = [make_run(hanging, 0), make_run(healthy, 1), make_run(healthy, 2, seed=2)]
    recorder = Recorder()
    with LocalExecutor(store, jobs=1, progress=recorder) as executor:
        for run in runs:
            executor.submit(run)
        executor._fill()
        wait_for(lambda: executor._wait() or ("advanced", 0, 5) in recorder.events)
        executor.cancel([runs[0].key, runs[1].key])
        records = {record.spec.key: record for record in (executor.next_finished() for _ in runs)}
    outcomes = [records[run.key].outcome for run in runs]
    assert outcomes == [Outcome.ENDED, Outcome.ENDED, Outcome.DONE]
    assert records[runs[1].key].message == "not started: the verdict no longer depended on it"
    assert records[runs[0].key].message == (
        "ended at env step 5, update 0: the verdict no longer depended on it"
    )
    assert list((store.root / "work").iterdir()) == []


def test_wall_clock_limit_when_steps_go_on_ends_the_run(store, tmp_path):
    side = write_side(tmp_path, "train(call, 10**9, lambda step: time.sleep(0.01))")
    with LocalExecutor(store, jobs=1, limits=Limits(stall_s=30, wall_s=1.0)) as executor:
        executor.submit(make_run(side, 1))
        record = executor.next_finished()
    assert record.outcome is Outcome.TIMED_OUT
    assert record.message.startswith("took longer than 1 s, ended at env step ")
    assert "use a smaller budget" in record.message
    assert record.env_steps > 0


def test_slow_run_when_its_steps_advance_is_not_hung(store, tmp_path):
    side = write_side(tmp_path, "train(call, 60, lambda step: time.sleep(0.05))")
    with LocalExecutor(store, jobs=1, limits=Limits(stall_s=1.5)) as executor:
        executor.submit(make_run(side, 1))
        assert executor.next_finished().outcome is Outcome.DONE


def test_environment_of_a_run_when_it_starts_is_its_own(store, tmp_path):
    body = (
        "import json, torch\n"
        "names = ['OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'OPENBLAS_NUM_THREADS']\n"
        "seen = {name: os.environ[name] for name in [*names, 'OMP_WAIT_POLICY']}\n"
        "seen |= {'threads': torch.get_num_threads(), 'cwd': os.getcwd(), 'sid': os.getsid(0)}\n"
        "seen |= {'pid': os.getpid(), 'stdin': os.read(0, 1).decode()}\n"
        "(Path(__file__).parent / 'seen.json').write_text(json.dumps(seen))\n"
        "train(call)"
    )
    with LocalExecutor(store, jobs=1) as executor:
        executor.submit(make_run(write_side(tmp_path, body), 1))
        assert executor.next_finished().outcome is Outcome.DONE
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert [seen[name] for name in list(seen)[:4]] == ["1", "1", "1", "passive"]
    assert (seen["threads"], seen["sid"], seen["stdin"]) == (1, seen["pid"], "")
    assert seen["cwd"].startswith(str(store.root / "work"))
    assert "OMP_WAIT_POLICY" not in os.environ


def test_global_numpy_generator_when_not_seeded_differs_between_runs(store, tmp_path):
    body = (
        "import numpy\n"
        "name = f'draw{call.seed}'\n"
        "(Path(__file__).parent / name).write_text(str(numpy.random.random()))\n"
        "train(call)"
    )
    side = write_side(tmp_path, body)
    with LocalExecutor(store, jobs=2) as executor:
        for number in range(2):
            executor.submit(make_run(side, number, seed=number))
        for _ in range(2):
            executor.next_finished()
    assert (tmp_path / "draw0").read_text() != (tmp_path / "draw1").read_text()


def test_provenance_of_a_run_when_stored_names_versions_but_no_place(store, tmp_path):
    side = write_side(tmp_path, HEALTHY)
    run = make_run(side, 1)
    with LocalExecutor(store, jobs=1) as executor:
        executor.submit(run)
        executor.next_finished()
    provenance = store.load(run).provenance
    assert {"torch", "numpy", "gymnasium"} <= set(provenance["versions"])
    assert (provenance["torch_threads"], provenance["device"]) == (1, "cpu")
    assert provenance["hyperparameters"] == {"gamma": 0.9}
    assert {"commit", "is_dirty", "cpu_capability", "python"} <= set(provenance)
    assert str(tmp_path) not in str(provenance)
    assert os.uname().nodename not in str(provenance)


def test_two_invocations_when_on_one_store_train_each_run_once(store, tmp_path):
    body = (
        "with open(Path(__file__).parent / 'trained', 'a') as log:\n"
        "    log.write(f'{call.seed}\\n')\n"
        "train(call, 60, lambda step: time.sleep(0.003))"
    )
    side = write_side(tmp_path, body)
    invocations = [drive(store, 0, 6, side), drive(store, 0, 6, side)]
    outputs = [process.communicate(timeout=PATIENCE_S)[0] for process in invocations]
    trained = sorted(int(line) for line in (tmp_path / "trained").read_text().split())
    assert trained == list(range(6))
    for output in outputs:
        finished = [line.split() for line in output.splitlines() if line.startswith("finished")]
        assert sorted(int(seed) for _, seed, _ in finished) == list(range(6))
        assert {how for _, _, how in finished} <= {"done", "cached"}
    assert list((store.root / "work").iterdir()) == []


SLOW_AFTER_ONE = (
    "note(f'run{call.seed}')\n"
    "train(call, 60, lambda step: time.sleep(1000) if call.seed and step == 30 else None)"
)


def _start_one_done_one_hanging(store, tmp_path):
    process = drive(store, 0, 3, write_side(tmp_path, SLOW_AFTER_ONE))
    wait_for(lambda: (tmp_path / "run2.pid").exists() and (tmp_path / "run1.pid").read_text())
    wait_for(lambda: (tmp_path / "run2.pid").read_text())
    return process


def _pids(tmp_path):
    return [int((tmp_path / f"run{seed}.pid").read_text()) for seed in (1, 2)]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_invocation_when_resumed_redoes_only_what_is_missing(store, tmp_path, signum):
    process = _start_one_done_one_hanging(store, tmp_path)
    process.send_signal(signum)
    output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == Interrupted.exit_code
    assert output.splitlines()[-1] == (
        f"stopped by {signum.name}: finished runs are stored, 2 in flight were ended; "
        "the same command goes on from here"
    )
    assert not any(psutil.pid_exists(pid) for pid in _pids(tmp_path))
    assert list((store.root / "work").iterdir()) == []
    write_side(tmp_path, HEALTHY)
    output, _ = drive(store, 0, 3, write_side(tmp_path, HEALTHY)).communicate(timeout=PATIENCE_S)
    assert sorted(output.splitlines()) == [
        "finished 0 cached",
        "finished 1 done",
        "finished 2 done",
        "started 1",
        "started 2",
    ]


def test_killed_supervisor_when_gone_leaves_no_process_and_no_claim(store, tmp_path):
    process = _start_one_done_one_hanging(store, tmp_path)
    process.kill()
    process.communicate(timeout=PATIENCE_S)
    wait_for(lambda: not any(psutil.pid_exists(pid) for pid in _pids(tmp_path)))
    assert len(list((store.root / "work").iterdir())) == 2
    output, _ = drive(store, 0, 3, write_side(tmp_path, HEALTHY)).communicate(timeout=PATIENCE_S)
    assert "finished 0 cached" in output
    assert "finished 2 done" in output
    assert list((store.root / "work").iterdir()) == []


def test_guardian_when_killed_costs_one_run_and_leaves_nothing(store, tmp_path):
    side = write_side(tmp_path, "note('run')\ntrain(call, 5)\ntime.sleep(1000)", "hanging")
    with LocalExecutor(store, jobs=2) as executor:
        executor.submit(make_run(side, 0))
        executor._fill()
        wait_for(lambda: (tmp_path / "run.pid").exists() and (tmp_path / "run.pid").read_text())
        pid = int((tmp_path / "run.pid").read_text())
        psutil.Process(pid).parent().kill()
        record = executor.next_finished()
        assert record.outcome is Outcome.KILLED
        assert "its guardian process was killed" in record.message
        wait_for(lambda: not psutil.pid_exists(pid))
        executor.submit(make_run(write_side(tmp_path, HEALTHY), 1))
        assert executor.next_finished().outcome is Outcome.DONE


def test_launcher_when_killed_is_started_again_for_the_next_run(store, tmp_path):
    side = write_side(tmp_path, HEALTHY)
    with LocalExecutor(store, jobs=1) as executor:
        executor.submit(make_run(side, 0))
        assert executor.next_finished().outcome is Outcome.DONE
        executor._launcher._process.kill()
        executor._launcher._process.wait()
        executor.submit(make_run(side, 1))
        assert executor.next_finished().outcome is Outcome.DONE


def test_launcher_when_it_cannot_start_says_its_last_words(store, tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "BOOT", "raise ImportError('no torch here')")
    with LocalExecutor(store, jobs=1) as executor:
        executor.submit(make_run(write_side(tmp_path, HEALTHY), 0))
        with pytest.raises(RunFailed, match=r"saw .*: ImportError: no torch here; check the inst"):
            executor.next_finished()


def test_store_when_it_cannot_be_written_is_named_before_anything_starts(tmp_path):
    (tmp_path / "file").write_text("")
    with LocalExecutor(Store(tmp_path / "file"), jobs=1) as executor:
        executor.submit(make_run(write_side(tmp_path, HEALTHY), 0))
        with pytest.raises(StoreError, match="expected a folder for results that can be written"):
            executor.next_finished()


@pytest.mark.parametrize("name", ["stall_s", "wall_s", "memory_bytes", "log_head_bytes"])
def test_limit_when_not_positive_is_refused(name):
    with pytest.raises(UsageError, match=f"expected a positive limit {name}, saw 0"):
        Limits(**{name: 0})


def test_signal_handlers_when_the_executor_closes_are_given_back(store):
    before = [signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)]
    with LocalExecutor(store, jobs=1):
        assert signal.getsignal(signal.SIGINT) is not before[0]
    assert [signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)] == before


def _interrupt_self_and_work_on():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(PATIENCE_S)


def test_signal_when_the_caller_is_busy_elsewhere_interrupts_at_once(store):
    with LocalExecutor(store, jobs=1), pytest.raises(Interrupted, match="stopped by SIGINT"):
        _interrupt_self_and_work_on()


def test_interrupt_when_a_run_is_done_but_not_collected_keeps_it(store, tmp_path):
    side = write_side(tmp_path, "import atexit\natexit.register(time.sleep, 9)\ntrain(call)")
    run = make_run(side, 1)
    with LocalExecutor(store, jobs=1) as executor:
        executor.submit(run)
        executor._fill()
        work_dir = executor._active[run.key].work_dir
        wait_for(lambda: (work_dir / "done.json").exists())
        with pytest.raises(Interrupted):
            _interrupt_self_and_work_on()
    assert store.find(run) is not None


def test_launcher_when_the_current_folder_shadows_a_standard_module_starts(
    store, tmp_path, monkeypatch
):
    (tmp_path / "json.py").write_text("raise RuntimeError('not the json you meant')\n")
    side = write_side(tmp_path, HEALTHY)
    monkeypatch.chdir(tmp_path)
    with LocalExecutor(store, jobs=1) as executor:
        executor.submit(make_run(side, 1))
        assert executor.next_finished().outcome is Outcome.DONE
