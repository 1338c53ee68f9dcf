import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import typer

import harness.cli
from harness.cli import app, commands, completion, options, say
from harness.cli.dryrun import dry_run
from harness.cli.options import Running
from harness.errors import Interrupted, RunFailed, StoreError, TooFewSeeds
from harness.plan.plan import runs_of_look
from harness.records import Outcome, RunRecord
from harness.segments.scenario import scenarios
from harness.spec.cards import algos, card
from harness.spec.references import references
from tests.cli_driver import ask
from tests.plan.plan_toys import side_of, spec_of

HEAVY = ("torch", "numpy", "pandas", "scipy", "gymnasium", "matplotlib", "stable_baselines3")

OF_SIDES = ("torch", "gymnasium", "stable_baselines3")


@dataclass(frozen=True)
class _Judged:
    verdict: str = "parity"


@dataclass(frozen=True)
class _Result:
    """Stands in for `pipeline.CompareResult`."""

    folder: Path
    judgement: _Judged = field(default_factory=_Judged)


def _imported(*words):
    script = (
        "import sys\nfrom harness.cli import main\ncode = main(sys.argv[1:])\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules], code, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, check=True
    )
    return done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("words", [["--help"], ["report", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(words):
    assert _imported(*words) == "[] 0"


@pytest.mark.parametrize("words", [["--algo", "dpn"], ["--alog"]])
def test_mistakes_in_words_import_nothing_heavy(words):
    assert _imported(*words).startswith("[")
    assert "torch" not in _imported(*words)


def test_what_directs_a_comparison_imports_no_side_and_no_library_of_sides():
    script = (
        "import sys\nimport harness.pipeline\n"
        + f"print([m for m in {OF_SIDES!r} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_help_groups_the_options_and_names_the_sub_commands(capsys):
    answer = ask(capsys, "--help")
    for words in ("What to compare", "How much evidence", "When a difference counts", "Running"):
        assert words in answer.out
    for option in ("--mine", "--reference", "--seeds", "--budget", "--set", "--alpha", "--margin"):
        assert option in answer.out
    for command in ("report", "list", "doctor", "export"):
        assert command in answer.out


def test_module_and_console_script_are_the_same_program():
    done = subprocess.run(
        [sys.executable, "-m", "harness", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("compare ")
    assert harness.cli.main is app.main


def test_list_names_algorithms_tiers_references_and_mine(capsys):
    out = ask(capsys, "list").out
    for words in ("Deep Q-Network", "CartPole-v1", "20,000", "LunarLander-v3", "my_impls/dqn.py"):
        assert words in out
    assert "stable-baselines3>=2.7,<3  installed: 2." in out


def test_list_counts_what_is_there_per_algorithm_and_level(capsys):
    out = ask(capsys, "list").out
    lines = out[out.index("What is compared of each") :].splitlines()[1:]
    rows = {cells[0]: cells for line in lines[1:] if (cells := line.split())}
    for algo in algos():
        row, taps = " ".join(rows[algo][1:]), card(algo).taps
        by = [one for one in references().values() if algo in one.algos]
        partial = {("sbx", "ppo")}
        tapped = [
            f"{one.name}{' in part' if (one.name, algo) in partial else ''}"
            for one in by
            if one.algos[algo].get("tap_map")
        ]
        names = ", ".join(one.name for one in by)
        if not taps:
            assert row.startswith(f"{names} - - ")
            continue
        n_scenarios, n_sources = len(scenarios()[algo]), sum(bool(tap.draws) for tap in taps)
        of = f" ({', '.join(tapped)})" if len(by) > 1 else ""
        segments = f"{len(taps)} taps in {n_scenarios} scenarios{of}"
        assert row.startswith(f"{names} {segments} {n_sources} sources ")


def _complete(line):
    words = line.split(" ")
    environment = {
        **os.environ,
        "_COMPARE_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-m", "harness"],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("compare --algo d", ["ddpg", "dqn"]),
        ("compare --algo dqn --envs easy,CartP", ["easy,CartPole-v1"]),
        ("compare --budget st", ["standard"]),
        ("compare --reference sb3", ["sb3", "sb3-contrib"]),
    ],
)
def test_completion_of_the_shell(line, found):
    assert _complete(line) == found


def test_completion_leaves_out_what_is_chosen_already():
    assert "easy,easy" not in completion.complete_envs("easy,ea")


@pytest.fixture
def compared(monkeypatch, tmp_path):
    """Replace the pipeline; returns the list of what it was asked for."""
    from harness import pipeline

    monkeypatch.chdir(tmp_path)
    (tmp_path / "report.json").write_text('{"verdict": "parity"}\n')
    asked = []

    def compare(spec, *, results, jobs, progress):
        asked.append((spec, results, jobs, progress))
        return _Result(tmp_path)

    monkeypatch.setattr(pipeline, "compare", compare)
    monkeypatch.setattr(commands, "_show", lambda *_, **__: 0)
    return asked


def test_compare_runs_without_a_sub_command(compared, capsys):
    answer = ask(capsys, "--algo", "dqn", "--envs", "easy,Acrobot-v1", "--seeds", "0,1,7")
    spec, results, jobs, _ = compared[0]
    assert answer.code == 0
    assert [env.env_id for env in spec.envs] == ["CartPole-v1", "Acrobot-v1"]
    assert (spec.seeds, results) == ((0, 1, 7), Path("results"))
    assert jobs == options.n_cores()
    assert spec.mine.source_digest
    assert spec.asked == {"algo": "dqn", "envs": ["easy,Acrobot-v1"], "seeds": "0,1,7"}


def test_compare_command_line_overrides_the_settings(compared, capsys, tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        "[tool.compare]\nalgo = 'dqn'\nbudget = 'quick'\nalpha = 0.1\njobs = 3\nmargin = 20\n"
        "seeds = [4, 5]\n[tool.compare.set]\ngamma = 0.9\ntau = 0.5\n"
    )
    assert ask(capsys, "--alpha", "0.01", "--set", "gamma=0.8").code == 0
    spec, _, jobs, _ = compared[0]
    assert (spec.budget, spec.alpha, jobs, spec.seeds) == ("quick", 0.01, 3, (4, 5))
    assert (spec.margin.value, spec.margin.is_absolute) == (20.0, True)
    values = spec.envs[0].hyperparameters
    assert (values["gamma"], values["tau"]) == (0.8, 0.5)


@pytest.mark.parametrize(
    ("verdict", "code"), [("parity", 0), ("diverged", 1), ("inconclusive", 3), ("invalid", 4)]
)
def test_exit_code_follows_the_verdict(verdict, code, tmp_path, capsys):
    (tmp_path / "report.json").write_text('{"a": 1}\n')
    assert commands._show(_Result(tmp_path, _Judged(verdict)), is_json=True) == code
    assert json.loads(capsys.readouterr().out) == {"a": 1}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Interrupted("stopped"), 130),
        (KeyboardInterrupt(), 130),
        (typer.Abort(), 130),
        (StoreError("disk is full"), 4),
        (RunFailed("x"), 4),
        (TooFewSeeds("x"), 3),
        (ZeroDivisionError("a bug"), 4),
    ],
)
def test_exit_code_follows_the_error(error, code, compared, monkeypatch, capsys):
    from harness import pipeline

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(pipeline, "compare", fail)
    answer = ask(capsys, "--algo", "dqn", "--set", "gamma=0.9")
    assert (answer.code, answer.out) == (code, "")
    resumes = "resume with: compare --algo dqn --set gamma=0.9" in answer.err
    assert resumes is (code == 130)
    assert ("Traceback" in answer.err) is isinstance(error, ZeroDivisionError)


def test_interrupt_by_signal_ends_with_the_resume_line(tmp_path):
    script = (
        "import os, signal, sys\nfrom harness import pipeline\nfrom harness.cli import main\n"
        "pipeline.compare = lambda *a, **k: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.exit(main(['--algo', 'dqn', '--quiet']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 128 + signal.SIGINT
    assert "resume with: compare --algo dqn --quiet" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def plan(tmp_path):
    sides = []
    for name in ("mine", "reference"):
        file = tmp_path / f"{name}.py"
        file.write_text(f"NAME = {name!r}\ndef side(call): pass\n")
        sides.append(side_of(file, name))
    return spec_of(*sides)


def _running(tmp_path, **changes):
    return replace(Running(2, tmp_path / "store", True, False, True), **changes)


def test_dry_run_lists_each_run_with_reason_and_time(plan, tmp_path):
    text = dry_run(plan, _running(tmp_path))
    assert text.count("never run here") == 6
    assert "until look 1 (2 seeds per side): 2 s" in text
    assert "6 runs planned, 0 stored, 6 to train, 2 side by side" in text
    assert not (tmp_path / "store").exists()


def test_dry_run_json_says_the_same(plan, tmp_path):
    told = json.loads(dry_run(plan, _running(tmp_path, is_json=True)))
    assert [run["is_cached"] for run in told["runs"]] == [False] * 6
    assert [run["look"] for run in told["runs"]] == [1, 1, 1, 1, 2, 2]
    assert told["runs"][0]["key"] == runs_of_look(plan, 1)[0].run.key


def test_dry_run_stored_runs_cost_nothing_and_changed_ones_say_why(plan, tmp_path, monkeypatch):
    runs = [planned.run for planned in runs_of_look(plan, 3)]
    old = replace(runs[2], key="old", total_timesteps=10)
    stored = [
        RunRecord(run, Outcome.DONE, env_steps=1000, wall_time_s=2.0) for run in (runs[0], old)
    ]
    monkeypatch.setattr("harness.cli.dryrun._stored_like", lambda *_: stored)
    lines = dry_run(plan, _running(tmp_path)).splitlines()
    assert lines[1].split()[-2:] == ["yes", "-"]
    assert "no: total_timesteps: 10 -> 1000" in lines[3]
    assert lines[3].endswith("2 s")


def test_dry_run_on_the_command_line_writes_only_json_to_stdout(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    answer = ask(capsys, "--algo", "dqn", "--dry-run", "--json")
    assert answer.code == 0
    assert len(json.loads(answer.out)["runs"]) == 16


def test_find_result_takes_a_path_or_a_name(tmp_path):
    folder = tmp_path / "comparisons" / "dqn-1"
    folder.mkdir(parents=True)
    (folder / "comparison.json").write_text("{}")
    assert commands.find_result(str(folder), Path("elsewhere")) == folder
    assert commands.find_result("dqn-1", tmp_path) == folder


def test_find_result_unknown_name_names_the_nearest(tmp_path, capsys):
    folder = tmp_path / "comparisons" / "dqn-12345"
    folder.mkdir(parents=True)
    (folder / "comparison.json").write_text("{}")
    answer = ask(capsys, "report", "dqn-12346", "--results", str(tmp_path))
    assert (answer.code, "did you mean 'dqn-12345'?" in answer.err) == (2, True)


def test_export_asks_the_pipeline_and_says_where(tmp_path, monkeypatch, capsys):
    from harness import pipeline

    (tmp_path / "comparison.json").write_text("{}")
    monkeypatch.setattr(pipeline, "export", lambda *_, output, **__: output)
    answer = ask(capsys, "export", str(tmp_path), "--format", "csv")
    assert (answer.code, answer.out) == (0, f"written: {tmp_path / 'runs.csv'}\n")


def test_export_to_a_folder_is_refused(tmp_path, capsys):
    (tmp_path / "comparison.json").write_text("{}")
    answer = ask(capsys, "export", str(tmp_path), "--output", str(tmp_path))
    assert (answer.code, "is a folder" in answer.err) == (2, True)


def test_error_is_coloured_only_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    say.error("x")
    assert "\x1b[31m" not in capsys.readouterr().err


def test_error_is_cut_to_five_lines(capsys):
    say.error("\n".join("abcdefgh"))
    assert capsys.readouterr().err == "error: a\nb\nc\nd\ne\n"
