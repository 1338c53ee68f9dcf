"""The documentation does what it says: its example runs, its verdict is the one it names."""

import json
import math
import re
import tomllib
from pathlib import Path

from baselines.sb3 import vpg
from harness.cli import main
from harness.errors import EXIT_DIVERGED

DOCS = Path(__file__).parents[1] / "docs"


def test_example_side_of_the_guide_when_compared_diverges_by_the_facts_it_names(tmp_path, capsys):
    guide = (DOCS / "how-to/attach-your-implementation.md").read_text(encoding="utf-8")
    [example] = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    mine = tmp_path / "mine.py"
    mine.write_text(example, encoding="utf-8")
    code = main(
        [
            *("--algo", "dqn", "--envs", "CartPole-v1", "--mine", f"{mine}:side"),
            *("--seeds", "2", "--total-timesteps", "600", "--set", "learning_starts=200"),
            *("--results", str(tmp_path / "results"), "--jobs", "2", "--json", "--keep-going"),
        ]
    )
    judgement = json.loads(capsys.readouterr().out)
    findings = {finding["quantity"] for finding in judgement["findings"]}
    assert code == EXIT_DIVERGED, judgement["reasons"]
    assert {"trained_parameter_count", "n_updates"} <= findings
    assert judgement["findings"][0]["mine_place"]


def test_guide_to_adding_an_algorithm_quotes_the_files_as_they_are():
    root = DOCS.parent
    guide = (DOCS / "how-to/add-an-algorithm.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:harness|baselines|my_impls|tests)/[\w/.]+\.(?:py|toml))`", guide))
    assert len(named) >= 8
    assert {name for name in named if not (root / name).is_file()} == set()
    rows = [tomllib.loads(text) for text in re.findall(r"```toml\n(.*?)```", guide, re.DOTALL)]
    read = [
        tomllib.loads((root / name).read_text(encoding="utf-8"))
        for name in (
            "harness/spec/cards/vpg.toml",
            "baselines/sb3/reference.toml",
            "baselines/sb3/vpg.toml",
        )
    ]
    assert rows[0]["taps"][0] in read[0]["taps"]
    assert rows[1]["algos"]["vpg"] == read[1]["algos"]["vpg"]
    assert rows[2]["taps"].items() <= read[2]["taps"].items()
    [constants] = re.findall(r"AS_REINFORCE = (\{.*?\})\n", guide, re.DOTALL)
    assert eval(constants, {"math": math}) == vpg.AS_REINFORCE
