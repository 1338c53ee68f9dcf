import sys

import pytest

from benchmarks import overhead


@pytest.mark.parametrize("side", ["mine", "reference"])
def test_overhead_benchmark_in_small_reports_ratio_and_equal_weights(side, monkeypatch, capsys):
    small = {**overhead.HYPERPARAMETERS, "learning_starts": 100, "train_freq": 16}
    monkeypatch.setattr(overhead, "HYPERPARAMETERS", {**small, "gradient_steps": 4})
    arguments = ["overhead", "--pairs", "1", "--env-steps", "200", "--side", side]
    monkeypatch.setattr(sys, "argv", arguments)
    assert overhead.main() in (0, 1)  # so short a training says nothing about the ratio
    assert "final weights equal in 1 of 1 pairs" in capsys.readouterr().out
