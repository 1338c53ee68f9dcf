import re

import pytest

from benchmarks import speed


@pytest.mark.parametrize("algo", ["a2c", "ddpg"])
def test_speed_benchmark_in_small_reports_a_ratio_with_its_interval(algo, capsys):
    # So short a training says nothing about the ratio.
    assert speed.main(["--algo", algo, "--pairs", "2", "--env-steps", "120"]) in (0, 1)
    [line] = capsys.readouterr().out.splitlines()
    ratio, low, high = (
        float(x)
        for x in re.search(r": ([\d.]+) \(95 % interval ([\d.]+) to ([\d.]+)", line).groups()
    )
    assert low <= ratio <= high
    assert f"{algo:6s} mine / sb3: " in line
    assert "n = 2 pairs" in line


@pytest.mark.parametrize(("mine", "exit_code"), [(89.0, 1), (91.0, 0)])
def test_median_below_the_limit_is_no_success(mine, exit_code, monkeypatch):
    def pair(call, *, rng):
        return mine, 100.0

    monkeypatch.setattr(speed, "_pair", pair)
    assert speed.main(["--algo", "ppo", "--pairs", "3"]) == exit_code


def test_algorithms_when_none_is_named_are_those_with_both_sides():
    assert {"a2c", "ddpg", "dqn", "ppo", "sac", "td3", "vpg"} <= set(speed._known())
