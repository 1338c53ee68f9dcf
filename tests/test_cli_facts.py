"""`compare facts`: what both sides really use, alone, with an exit code."""

from pathlib import Path

from tests.cli_driver import ask

ROOT = Path(__file__).parents[1]
WORDS = ("facts", "--algo", "dqn", "--envs", "CartPole-v1", "--set", "learning_starts=80")


def asked(capsys, folder, *words):
    return ask(capsys, *WORDS, *words, "--results", str(folder / "results"))


def test_facts_of_the_clean_implementation_agree(tmp_path, capsys):
    done = asked(capsys, tmp_path)
    assert done.code == 0, done.err
    assert done.out.rstrip().endswith("all agree")
    assert "DIFFERS" not in done.out


WAIVER = """
[[waiver]]
what = "optimiser_constants"
reason = "another epsilon on purpose"
expires = 2999-12-31
"""


def test_fact_that_differs_is_named_and_may_be_waived(tmp_path, capsys):
    source = (ROOT / "my_impls/dqn.py").read_text()
    (tmp_path / "mine.py").write_text(source.replace("progress=0.0))", "progress=0.0), eps=1e-3)"))
    mine = ("--mine", str(tmp_path / "mine.py"))
    done = asked(capsys, tmp_path, *mine)
    assert done.code == 1, done.err
    assert "DIFFERS  optimiser_constants  (gradient-optimiser; CartPole-v1)" in done.out
    assert "1 DIFFER: optimiser_constants" in done.out
    file = tmp_path / "waivers.toml"
    file.write_text(WAIVER)
    done = asked(capsys, tmp_path, *mine, "--waivers", str(file))
    assert done.code == 0, done.err
    assert "another epsilon on purpose" in done.out


def test_side_that_ends_before_its_first_updates_is_invalid(tmp_path, capsys):
    (tmp_path / "mine.py").write_text("def side(call):\n    raise ValueError('not yet')\n")
    done = asked(capsys, tmp_path, "--mine", str(tmp_path / "mine.py"))
    assert done.code == 4, done.err
    assert "not yet" in done.out
    assert "facts: none could be compared" in done.out
