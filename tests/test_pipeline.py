"""The whole road on toy sides: real child processes, a real store, a real report."""

import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from harness import pipeline
from harness.errors import UsageError
from harness.plan.identity import identify
from harness.records import Outcome
from harness.segments import run as segments_run
from harness.segments.scenario import scenarios
from harness.spec.request import Request
from harness.spec.resolve import resolve

TOY = """
    import numpy as np
    import torch
    from harness.tap import tap

    def side(call):
        {before}
        torch.manual_seed(call.seed)
        rng = np.random.default_rng(call.seed)
        env = call.make_env()
        net = torch.nn.Linear(4, 2)
        optimiser = torch.optim.Adam(net.parameters(), lr={lr})
        obs, _ = env.reset(seed=call.seed)
        for step in range(call.total_timesteps):
            obs, _, terminated, truncated, _ = env.step(int(rng.integers(2)))
            loss = net(torch.as_tensor(obs)[None]).pow(2).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            if terminated or truncated:
                obs, _ = env.reset()
            {during}
"""


class Watch:
    """A progress sink that remembers what ended how."""

    def __init__(self):
        self.records = []
        self.lines = []

    def started(self, run):
        pass

    def advanced(self, run, env_steps, updates):
        pass

    def finished(self, record):
        self.records.append(record)

    def stage(self, line):
        self.lines.append(line)

    @property
    def trained(self):
        return [record for record in self.records if not record.is_cached]


def write_side(folder: Path, name: str, *, lr="1e-3", before="pass", during="pass") -> Path:
    path = folder / f"{name}.py"
    path.write_text(textwrap.dedent(TOY).format(lr=lr, before=before, during=during))
    return path


def toy_spec(mine: Path, reference: Path, *, seeds="2", steps="200", **fields):
    request = Request(
        algo="dqn",
        envs=("CartPole-v1",),
        mine=f"{mine}:side",
        reference=f"{reference}:side",
        seeds=seeds,
        total_timesteps=steps,
        settings={"learning_starts": 0},
    )
    return replace(resolve(request, identify=identify), **fields)


def run(spec, results):
    watch = Watch()
    result = pipeline.compare(spec, results=results, jobs=2, progress=watch)
    return result, watch


@pytest.fixture(autouse=True)
def one_scenario(monkeypatch):
    """Play one scenario; what several say together is asked in tests/segments."""
    first = {algo: rows[:1] for algo, rows in scenarios().items()}
    monkeypatch.setattr(segments_run, "scenarios", lambda: first)


@pytest.fixture
def reference(tmp_path):
    return write_side(tmp_path, "reference")


def test_equal_sides_are_compared_and_second_call_trains_nothing(tmp_path, reference):
    mine = write_side(tmp_path, "mine")
    first, watch = run(toy_spec(mine, reference), tmp_path / "results")
    assert len(watch.trained) == 4
    assert first.judgement.verdict == "inconclusive"
    assert all(row.is_equal for row in first.judgement.facts if row.decides)
    assert (first.folder / "report.html").is_file()
    bytes_before = (first.folder / "report.json").read_bytes()

    second, watch = run(toy_spec(mine, reference), tmp_path / "results")
    assert watch.trained == []
    assert (second.folder / "report.json").read_bytes() == bytes_before


def test_editing_mine_reruns_only_its_own_runs(tmp_path, reference):
    mine = write_side(tmp_path, "mine")
    run(toy_spec(mine, reference), tmp_path / "results")
    write_side(tmp_path, "mine", during="None")
    result, watch = run(toy_spec(mine, reference), tmp_path / "results")
    assert {record.spec.side.name for record in watch.trained} == {result.judgement.mine}


def test_wrong_learning_rate_is_found_before_anything_trains(tmp_path, reference):
    mine = write_side(tmp_path, "mine", lr="2e-3")
    result, watch = run(toy_spec(mine, reference), tmp_path / "results")
    assert watch.records == []
    assert any("learning_rate_first" in line for line in watch.lines)
    assert result.judgement.verdict == "diverged"
    assert result.judgement.findings[0].quantity == "learning_rate_first"


def test_crash_of_one_side_is_invalid_with_its_last_words(tmp_path, reference):
    mine = write_side(tmp_path, "mine", during="1 / 0 if step == 50 and call.seed == 1 else None")
    result, watch = run(toy_spec(mine, reference), tmp_path / "results")
    judgement = result.judgement
    assert judgement.verdict == "invalid"
    (crashed,) = [row for row in judgement.runs if row.outcome == Outcome.CRASHED]
    assert (crashed.role, crashed.seed) == ("mine", 1)
    assert any("ZeroDivisionError" in line for line in crashed.stderr_tail)
    assert sum(record.is_usable for record in watch.records) == 3


def test_side_that_never_steps_an_environment_is_invalid_and_says_why(tmp_path, reference):
    mine = write_side(tmp_path, "mine", before="return")
    judgement = run(toy_spec(mine, reference), tmp_path / "results")[0].judgement
    assert judgement.verdict == "invalid"
    assert {row.outcome for row in judgement.runs if row.role == "mine"} == {"unobserved"}
    assert "gymnasium.make" in judgement.look_next[0]


def test_unsupported_hyperparameter_is_wrong_usage_and_names_it(tmp_path, reference):
    raise_it = (
        "from harness.side import UnsupportedHyperparameter as U; raise U('gamma', 0.99, 'no')"
    )
    mine = write_side(tmp_path, "mine", before=raise_it)
    with pytest.raises(UsageError, match=r"gamma=0\.99 cannot be expressed"):
        run(toy_spec(mine, reference), tmp_path / "results")


def test_report_of_a_stored_comparison_needs_no_side_any_more(tmp_path, reference):
    mine = write_side(tmp_path, "mine")
    first, _ = run(toy_spec(mine, reference), tmp_path / "results")
    before = (first.folder / "report.json").read_bytes()
    mine.unlink()
    reference.unlink()
    pipeline.rejudge(first.folder)
    assert (first.folder / "report.json").read_bytes() == before
