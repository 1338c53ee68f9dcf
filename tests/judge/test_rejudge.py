"""Judging stored traces: every verdict from planted evidence, and the same bytes every time."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.synthetic import comparison, store_comparison
from harness import pipeline
from harness.errors import CorruptResult, StoreError
from harness.records import Margin


def judged(tmp_path, *, spec=None, **planted):
    spec = spec or comparison(n_seeds=6, n_points=60)
    folder = store_comparison(spec, tmp_path, n_metrics=8, rng=np.random.default_rng(7), **planted)
    return pipeline.rejudge(folder)


def test_same_distribution_on_both_sides_is_inconclusive_with_its_price(tmp_path):
    judgement = judged(tmp_path).judgement
    assert judgement.verdict == "inconclusive"
    assert judgement.findings == ()
    assert any("more seeds per side" in sentence for sentence in judgement.look_next)


def test_wide_margin_gives_statistical_parity(tmp_path):
    spec = replace(comparison(n_seeds=6, n_points=60), margin=Margin(8.0, is_absolute=True))
    judgement = judged(tmp_path, spec=spec).judgement
    assert (judgement.verdict, judgement.grounds) == ("parity", "statistical")


def test_shifted_target_is_diverged_and_named_with_component_and_onset(tmp_path):
    judgement = judged(tmp_path, shift={"transition.obs.mean": 9.0}).judgement
    assert judgement.verdict == "diverged"
    first = judgement.findings[0]
    assert first.quantity == "transition.obs.mean"
    assert first.component == "replay-buffer"
    assert first.onset is not None
    assert first.onset.low == 1


def test_differing_fact_is_diverged_whatever_the_curves_say(tmp_path):
    facts = {"mine": {"n_updates": [20]}, "reference": {"n_updates": [10]}}
    judgement = judged(tmp_path, facts=facts).judgement
    assert judgement.verdict == "diverged"
    assert judgement.findings[0].level == "fact"
    assert judgement.findings[0].component == "update-schedule"
    # Decided by the first runs: mine and reference of seed 0, then of seed 1.
    assert len(judgement.runs) == 4


def test_keep_going_uses_every_run_in_spite_of_a_differing_fact(tmp_path):
    facts = {"mine": {"n_updates": [20]}, "reference": {"n_updates": [10]}}
    spec = replace(comparison(n_seeds=6, n_points=60), keep_going=True)
    assert len(judged(tmp_path, spec=spec, facts=facts).judgement.runs) == 12


def test_three_seeds_cannot_show_a_difference_and_the_report_says_so(tmp_path):
    spec = comparison(n_seeds=3, n_points=60)
    judgement = judged(tmp_path, spec=spec, shift={"transition.obs.mean": 50.0}).judgement
    assert judgement.verdict == "inconclusive"
    assert any("smallest reachable p is 0.1" in sentence for sentence in judgement.look_next)


def test_difference_on_the_second_environment_only_is_placed_there(tmp_path):
    spec = comparison(n_seeds=8, n_points=60, env_ids=("CartPole-v1", "Acrobot-v1"))
    judgement = judged(tmp_path, spec=spec).judgement
    assert [env.env_id for env in judgement.envs] == ["CartPole-v1", "Acrobot-v1"]
    assert judgement.aggregate is not None


def test_judging_again_gives_the_same_bytes(tmp_path):
    first = judged(tmp_path, shift={"episode_return": 4.0})
    files = sorted(path for path in first.folder.rglob("*") if path.is_file())
    before = {path: path.read_bytes() for path in files}
    pipeline.rejudge(first.folder)
    assert {path: path.read_bytes() for path in files} == before
    assert {path.name for path in files} >= {"report.json", "report.html", "report.md"}


def test_damaged_trace_is_refused_by_name(tmp_path):
    folder = judged(tmp_path).folder
    trace = next((tmp_path / "runs").rglob("trace.npz"))
    content = bytearray(trace.read_bytes())
    content[len(content) // 2] ^= 1
    trace.write_bytes(bytes(content))
    with pytest.raises(CorruptResult, match=r"trace\.npz"):
        pipeline.rejudge(folder)


def test_folder_without_comparison_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(StoreError, match=r"comparison\.json"):
        pipeline.rejudge(tmp_path)


@pytest.mark.parametrize("fmt", ["csv", "parquet"])
def test_export_holds_every_value(tmp_path, fmt):
    import pandas as pd

    folder = judged(tmp_path, spec=comparison(n_seeds=2, n_points=10)).folder
    path = pipeline.export(folder, fmt=fmt, output=tmp_path / f"out.{fmt}")
    frame = pd.read_csv(path) if fmt == "csv" else pd.read_parquet(path)
    # 4 runs x (8 metrics + return + length) x 10 points.
    assert len(frame) == 4 * 10 * 10
    assert set(frame["role"]) == {"mine", "reference"}
