"""Every kind of dying or hanging run beside a healthy neighbour, in one executor."""

import re

import psutil
import pytest

from harness.records import USABLE_OUTCOMES, Outcome
from harness.run.executor import LocalExecutor
from harness.run.limits import Limits
from harness.store.store import Store
from tests.run.fault_kinds import KINDS
from tests.run.run_toys import HEALTHY, make_run, write_side

LIMITS = Limits(stall_s=1.5, term_grace_s=0.3, done_grace_s=0.3, memory_bytes=900 << 20)
N_KINDS = len(KINDS)


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """Records by name of kind, and of each one's neighbour, from one executor."""
    folder = tmp_path_factory.mktemp("faults")
    store = Store(folder / "store")
    healthy = write_side(folder, HEALTHY, "healthy")
    names = {}
    with LocalExecutor(store, jobs=2, limits=LIMITS) as executor:
        for number, (name, kind) in enumerate(KINDS.items()):
            run = make_run(write_side(folder, kind.body, name), number)
            neighbour = make_run(healthy, N_KINDS + number, seed=number)
            names.update({run.key: name, neighbour.key: f"beside {name}"})
            executor.submit(run)
            executor.submit(neighbour)
        records = [executor.next_finished() for _ in names]
        assert executor.pending() == ()
    by_name = {names[record.spec.key]: record for record in records}
    assert len(by_name) == len(records) == 2 * N_KINDS
    return folder, store, by_name


@pytest.mark.parametrize("name", KINDS)
def test_outcome_when_a_run_dies_in_one_way_is_named_with_cause(ended, name):
    record, kind = ended[2][name], KINDS[name]
    assert record.outcome is kind.outcome, record
    assert re.search(kind.words, record.message), record.message
    assert re.search(kind.stderr, "\n".join(record.stderr_tail)), record.stderr_tail


@pytest.mark.parametrize("name", KINDS)
def test_neighbour_when_a_run_dies_finishes(ended, name):
    record = ended[2][f"beside {name}"]
    assert (record.outcome, record.env_steps) == (Outcome.DONE, 60)


def test_store_when_runs_died_holds_exactly_the_usable_ones(ended):
    _, store, by_name = ended
    for record in by_name.values():
        is_usable = record.outcome in USABLE_OUTCOMES
        assert (store.find(record.spec) is not None) == is_usable
        assert not is_usable or store.load(record.spec).facts["env_steps"] == 60
    assert list((store.root / "work").iterdir()) == []


def test_second_process_when_user_code_forks_adds_nothing(ended):
    _, store, by_name = ended
    trace = store.load(by_name["forks"].spec)
    steps = trace.episodes.end_env_step
    assert trace.facts["env_steps"] == 60
    assert (steps[1:] > steps[:-1]).all()


def test_processes_when_all_runs_have_ended_are_gone(ended):
    folder, store, _ = ended
    assert not psutil.pid_exists(int((folder / "left_daemon.pid").read_text()))
    places = []
    for process in psutil.process_iter():
        try:
            places.append(process.cwd())
        except psutil.Error:
            continue
    assert not [place for place in places if place.startswith(str(store.root))]


def test_flood_when_captured_keeps_head_and_tail_only(ended):
    _, store, by_name = ended
    log = (store.run_dir(by_name["flood"].spec.key) / "stdout.log").read_bytes()
    kept = LIMITS.log_head_bytes + LIMITS.log_tail_bytes
    marker = re.search(rb"\n\[\.\.\. (\d+) bytes left out \.\.\.\]\n", log)
    assert len(log) == kept + len(marker[0])
    assert int(marker[1]) + kept == 60 * 20 * 65536


def test_logs_of_a_failed_run_when_it_ended_are_kept(ended):
    _, store, by_name = ended
    folder = store.root / "failed" / by_name["exception"].spec.key
    assert "ValueError: wrong shape" in (folder / "stderr.log").read_text()
    assert not (folder / "trace.jsonl").exists()
