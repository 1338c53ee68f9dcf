"""Smoke versions of benchmarks/soak.py and benchmarks/start.py, and that the soak can fail."""

import dataclasses
import random

from benchmarks import soak, start
from harness.records import Outcome, RunRecord, SideSpec
from tests.run.fault_kinds import KINDS
from tests.run.run_toys import make_run


def test_soak_when_short_finds_nothing_wrong(tmp_path):
    assert soak.soak_faults(tmp_path, names=["exit_0", "sigkill"], repeats=1) == []


def test_kills_when_few_leave_equal_stores(tmp_path):
    assert soak.soak_kills(tmp_path, kills=1, rng=random.Random(1)) == []


def test_soak_when_a_record_is_wrong_says_so():
    side = SideSpec("toy", "toy.py", None, "side", None, "")
    record = RunRecord(make_run(side, 0), Outcome.DONE, env_steps=59)
    assert soak.check_record(record, "") == ["neighbour lost: done "]
    assert soak.check_record(record, "exit_0") == ["exit_0: expected incomplete, saw done: "]
    silent = dataclasses.replace(record, outcome=KINDS["exit_0"].outcome)
    assert soak.check_record(silent, "exit_0") == ["exit_0: words:  / "]


def test_start_when_measured_is_positive(tmp_path):
    (tmp_path / "side.py").write_text(start.SIDE)
    side = SideSpec("toy", str(tmp_path / "side.py"), None, "side", None, "0" * 64)
    assert min(start.start_times_s(tmp_path, side, 1)) > 0


def test_stops_when_few_leave_equal_reports(tmp_path):
    assert soak.soak_stops(tmp_path, stops=1, rng=random.Random(1)) == []
