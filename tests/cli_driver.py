"""Run the command line inside this process and see what it wrote."""

from dataclasses import dataclass

from harness.cli import main


@dataclass(frozen=True)
class Answer:
    """Exit code and output of one call."""

    code: int
    out: str
    err: str


def ask(capsys, *words):
    capsys.readouterr()
    code = main(list(words))
    captured = capsys.readouterr()
    return Answer(code, captured.out, captured.err)
