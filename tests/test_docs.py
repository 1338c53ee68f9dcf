"""The documentation does what it says: its example runs, its verdict is the one it names."""

import json
import re
from pathlib import Path

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
