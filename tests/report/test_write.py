import subprocess
import sys

import pytest

from harness.judgement import Evidence
from harness.report.write import write_report
from tests.report import samples
from tests.report.replay_samples import EVERY


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_write_report_writes_all_files_and_returns_them(tmp_path):
    paths = write_report(samples.parity(), samples.evidence(), tmp_path)
    assert {p.relative_to(tmp_path).as_posix() for p in paths} == {
        "report.json",
        "report.md",
        "report.html",
        *(
            f"plots/{name}.{suffix}"
            for suffix in ("png", "svg")
            for name in (
                "CartPole-v1--learning-curves",
                "CartPole-v1--final-performance",
                "CartPole-v1--metric-traces",
                "seeds-to-verdict",
            )
        ),
    }
    assert set(contents(tmp_path)) == {p.relative_to(tmp_path) for p in paths}


def test_write_report_twice_gives_identical_bytes_and_no_stale_pictures(tmp_path):
    write_report(samples.parity(), samples.evidence(), tmp_path / "a")
    write_report(
        samples.diverged_by_trace(("Old-v0",)), samples.evidence(("Old-v0",)), tmp_path / "b"
    )
    write_report(samples.parity(), samples.evidence(), tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_write_report_in_another_process_gives_identical_bytes(tmp_path):
    write_report(samples.inconclusive(), samples.evidence(n_mine=3), tmp_path / "a")
    code = (
        "from pathlib import Path; from tests.report import samples;"
        "from harness.report.write import write_report;"
        "write_report(samples.inconclusive(), samples.evidence(n_mine=3), "
        f"Path({str(tmp_path / 'b')!r}))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONHASHSEED": "7"})
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


@pytest.mark.parametrize("name", EVERY)
def test_write_report_of_every_verdict_without_arrays_stays_inside_the_folder(name, tmp_path):
    write_report(EVERY[name](), Evidence({}), tmp_path / "in")
    assert {p.name for p in tmp_path.iterdir()} == {"in"}
    assert {p.name for p in (tmp_path / "in").iterdir()} <= {
        "report.json",
        "report.md",
        "report.html",
        "plots",
    }


def test_report_modules_import_no_torch_gymnasium_or_other_stage():
    code = (
        "import sys; import harness.report.write, harness.report.terminal, harness.report.export;"
        "import harness.report.progress, harness.report.plot_summary, harness.report.plot_curves;"
        "stages = ('spec', 'plan', 'run', 'store', 'stats', 'localise', 'verdict');"
        "bad = [m for m in sys.modules if m.split('.')[0] in ('torch', 'gymnasium', "
        "'stable_baselines3') or m.startswith(tuple('harness.' + s for s in stages))];"
        "sys.exit(str(bad) if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
