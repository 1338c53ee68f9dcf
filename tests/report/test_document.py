import json
import math
from dataclasses import replace

import jsonschema
import pytest

from harness.errors import CorruptResult, FutureSchema
from harness.judgement import Interval
from harness.records import REPORT_SCHEMA
from harness.report.document import SCHEMA_FILE, from_json, schema_text, to_json
from tests.report import samples
from tests.report.replay_samples import EVERY


@pytest.mark.parametrize("name", EVERY)
def test_to_json_and_back_gives_the_same_judgement(name):
    judgement = EVERY[name]()
    assert from_json(to_json(judgement)) == judgement


@pytest.mark.parametrize("name", EVERY)
def test_to_json_validates_against_the_shipped_schema(name):
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    assert list(validator.iter_errors(json.loads(to_json(EVERY[name]())))) == []


def test_schema_file_equals_the_generated_schema():
    hint = "write it again: SCHEMA_FILE.write_text(schema_text()) of harness.report.document"
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text(), hint


def test_shipped_schema_refuses_unknown_and_missing_fields():
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text()))
    document = json.loads(to_json(samples.parity()))
    assert not validator.is_valid({**document, "extra": 1})
    assert not validator.is_valid({k: v for k, v in document.items() if k != "verdict"})
    assert not validator.is_valid({**document, "verdict": "maybe"})


def test_to_json_keeps_nan_and_both_infinities_apart():
    odd = Interval(math.nan, -math.inf, math.inf, 0.95)
    judgement = samples.parity()
    text = to_json(replace(judgement, aggregate=replace(judgement.aggregate, mine=odd)))
    assert json.loads(text)["aggregate"]["mine"] == {
        "estimate": "NaN",
        "low": "-Infinity",
        "high": "Infinity",
        "level": 0.95,
    }
    back = from_json(text).aggregate.mine
    assert math.isnan(back.estimate)
    assert (back.low, back.high) == (-math.inf, math.inf)


def test_to_json_is_canonical():
    text = to_json(samples.hostile())
    assert text == json.dumps(json.loads(text), sort_keys=True, indent=1) + "\n"
    assert text.isascii()


def test_from_json_of_newer_schema_says_to_upgrade():
    text = to_json(samples.parity()).replace(
        f'"schema_version": {REPORT_SCHEMA}', f'"schema_version": {REPORT_SCHEMA + 1}'
    )
    with pytest.raises(FutureSchema) as caught:
        from_json(text, "x/report.json")
    assert str(caught.value) == (
        f"expected schema_version at most {REPORT_SCHEMA}, saw {REPORT_SCHEMA + 1}, in "
        "x/report.json: it was written by a newer version; upgrade with `pip install -U rl-parity`"
    )


@pytest.mark.parametrize("text", ["{}", "[]", '{"schema_version": true}', '{"schema_version": 0}'])
def test_from_json_of_something_else_says_it_is_no_report(text):
    with pytest.raises(CorruptResult, match="this is not a report of this project"):
        from_json(text)


def test_from_json_of_broken_json_says_where():
    with pytest.raises(CorruptResult, match=r"expected a JSON document, saw .*, in report\.json"):
        from_json("{")


def test_from_json_of_wrong_field_names_its_path():
    document = json.loads(to_json(samples.parity()))
    document["envs"][0]["n_mine"] = "many"
    with pytest.raises(CorruptResult, match=r"saw at 'envs\.0\.n_mine'.*compare report"):
        from_json(json.dumps(document))
