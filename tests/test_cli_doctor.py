import subprocess
import sys
from types import SimpleNamespace

import pytest

from harness import doctor
from tests.cli_driver import ask


@pytest.fixture(autouse=True)
def _no_self_test(monkeypatch, request):
    if "self_test" not in request.node.name:
        monkeypatch.setattr(
            doctor, "_determinism", lambda: doctor.Check("ok", "determinism", "same")
        )


def test_doctor_shows_every_kind_of_check_and_fixes(capsys):
    answer = ask(capsys, "doctor")
    for name in ("python", "torch", "processor", "threads", "disk", "memory", "determinism"):
        assert f"  {name}: " in answer.out
    assert "extra mujoco" in answer.out
    assert answer.code == 0


def test_doctor_failed_check_exits_with_4(capsys, monkeypatch):
    check = doctor.Check("fail", "determinism", "different", "report it")
    monkeypatch.setattr(doctor, "_determinism", lambda: check)
    answer = ask(capsys, "doctor")
    assert answer.code == 4
    assert "fail  determinism: different\n      fix: report it" in answer.out


def test_doctor_missing_distribution_holds_the_pip_line(monkeypatch):
    monkeypatch.setattr(doctor, "_DISTRIBUTIONS", ("no-such-library",))
    monkeypatch.setattr(doctor, "_requirements", lambda: {"no-such-library": ">=2"})
    (check,) = doctor._versions()
    assert (check.level, check.fix) == ("fail", "pip install 'no-such-library>=2'")


def test_doctor_version_outside_the_range_warns(monkeypatch):
    monkeypatch.setattr(doctor, "_DISTRIBUTIONS", ("numpy",))
    monkeypatch.setattr(doctor, "_requirements", lambda: {"numpy": ">=999"})
    (check,) = doctor._versions()
    assert (check.level, check.fix) == ("warn", "pip install 'numpy>=999'")


def test_doctor_little_disk_and_memory_warn(monkeypatch, tmp_path):
    import psutil

    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: SimpleNamespace(free=1))
    memory = SimpleNamespace(available=1, total=2)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    assert [doctor._disk(tmp_path).level, doctor._memory().level] == ["warn", "warn"]


def test_doctor_self_test_same_seed_gives_the_same_weights():
    check = doctor._determinism()
    assert check.level == "ok"
    assert "same seed, same weights" in check.detail


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("import os; print(os.getpid())", "same seed, different weights"),
        ("raise SystemExit('no torch here')", "no torch here"),
        ("pass", "no output"),
    ],
)
def test_doctor_self_test_that_goes_wrong_says_how(script, words, monkeypatch):
    monkeypatch.setattr(doctor, "_SELF_TEST", script)
    check = doctor._determinism()
    assert check.level == "fail"
    assert words in check.detail


def test_doctor_self_test_that_hangs_is_ended(monkeypatch):
    monkeypatch.setattr(doctor, "SELF_TEST_LIMIT_S", 0.1)
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert doctor._outcome(process).text == "no answer within 0.1 s"
    assert process.returncode is not None
