# ruff: noqa: E501 - a table of messages, one per line
import pytest

from harness.codec import from_json, to_json
from harness.errors import UnknownName, UsageError
from harness.spec.waivers import DEFAULT_NAME, find_waivers, load_waivers, read_waivers
from harness.waiver import Waiver

GOOD = """
[[waiver]]
what = "td_target"
level = "segment"
reason = "double Q-learning on purpose"
algo = "dqn"
env = "CartPole-v1"
expires = 2027-06-30
owner = "@me"

[[waiver]]
what = "optimiser_constants"
reason = "Adam's eps of the paper"
expires = 2027-01-01
"""
LEAST = 'what = "q"\nreason = "r"\nexpires = 2027-01-01\n'


@pytest.fixture
def written(tmp_path):
    """Return a function: text -> the file of waivers that holds it."""

    def write(text):
        file = tmp_path / "waivers.toml"
        file.write_text(text)
        return file

    return write


def test_waivers_when_well_written_are_read_in_order(written):
    first, second = read_waivers(written(GOOD))
    assert first == Waiver(
        "td_target",
        "double Q-learning on purpose",
        "2027-06-30",
        level="segment",
        algo="dqn",
        env="CartPole-v1",
        owner="@me",
    )
    assert second == Waiver("optimiser_constants", "Adam's eps of the paper", "2027-01-01")


def test_waiver_when_stored_comes_back_equal(written):
    waivers = read_waivers(written(GOOD))
    assert from_json(tuple[Waiver, ...], to_json(waivers)) == waivers


def test_file_without_any_waiver_gives_none(written):
    assert read_waivers(written("")) == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[waver]]\n" + LEAST, r"unknown table 'waver' in .*waivers.toml; did you mean '\[\[waiver\]\]'"),
        ("[waiver]\n" + LEAST, r"waivers.toml: expected tables \[\[waiver\]\], got \{"),
        ("waiver = 3\n", r"expected tables \[\[waiver\]\], got 3"),
        ("[[waiver]]\n" + LEAST + 'resaon = "x"', r"unknown key 'resaon' in .*waiver 1 \('q'\); did you mean 'reason'"),
        ('[[waiver]]\nreason = "r"\nexpires = 2027-01-01', r"waiver 1: 'what' is missing; a waiver states what, why and until when"),
        ('[[waiver]]\nwhat = "q"\nexpires = 2027-01-01', r"waiver 1 \('q'\): 'reason' is missing"),
        ('[[waiver]]\nwhat = "q"\nreason = "r"', r"waiver 1 \('q'\): 'expires' is missing"),
        ('[[waiver]]\nwhat = "q"\nreason = " "\nexpires = 2027-01-01', r"expected reason = text in quotes that is not empty, got ' '"),
        ('[[waiver]]\nwhat = 7\nreason = "r"\nexpires = 2027-01-01', r"waiver 1: expected what = text in quotes .* got 7"),
        ('[[waiver]]\nwhat = "q"\nreason = "r"\nexpires = "2027-01-01"', r"expected expires = a date such as 2027-06-30, no quotes, got '2027-01-01'"),
        ('[[waiver]]\nwhat = "q"\nreason = "r"\nexpires = 2027-01-01T00:00:00', r"expected expires = a date .* got 2027-01-01 00:00:00"),
        ('[[waiver]]\nwhat = "q"\nreason = "r"\nexpires = true', r"expected expires = a date .* got True"),
        ('[[waiver]]\nwhat = "q"\nreason = "r"\nexpires = 2027-02-31', r"expected a TOML file of waivers at '.*', saw: "),
        ("[[waiver]]\n" + LEAST + 'level = "segmnt"', r"unknown level 'segmnt' in .*waiver 1 \('q'\); did you mean 'segment'"),
        ("[[waiver]]\n" + LEAST + 'algo = "dpn"', r"unknown algorithm 'dpn' in .*waiver 1 \('q'\); did you mean 'dqn'"),
        ("[[waiver]]\n" + LEAST + "owner = 1", r"expected owner = text in quotes that is not empty, got 1"),
        ("[[waiver]]\n" + LEAST + "[[waiver]]\n" + LEAST, r"waiver 2 \('q'\) says the same as .*waiver 1: what, level, algo and env are equal"),
    ],
)  # fmt: skip
def test_mistake_in_the_file_is_answered_with_its_place(written, text, message):
    with pytest.raises(UsageError, match=message):
        read_waivers(written(text))


def test_unknown_words_are_unknown_names(written):
    with pytest.raises(UnknownName):
        read_waivers(written("[[waiver]]\n" + LEAST + 'level = "x"'))


def test_file_that_was_asked_for_and_is_missing_is_an_error(tmp_path):
    with pytest.raises(UsageError, match=r"expected a TOML file of waivers at '.*none.toml', saw"):
        load_waivers(str(tmp_path / "none.toml"), tmp_path)


def test_default_file_beside_the_nearest_project_is_found_from_below(tmp_path):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text("")
    assert load_waivers(None, inner) == ()
    (tmp_path / DEFAULT_NAME).write_text(GOOD)
    assert find_waivers(inner) == tmp_path / DEFAULT_NAME
    assert len(load_waivers(None, inner)) == 2


def test_default_file_of_another_project_further_up_is_not_taken(tmp_path):
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / DEFAULT_NAME).write_text(GOOD)
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "pyproject.toml").write_text("")
    assert find_waivers(inner) is None
