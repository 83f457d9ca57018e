import json

import pytest

from cu_pipeline.core.capability import Capabilities
from cu_pipeline.core.errors import BadClipError, Reason
from cu_pipeline.ingest.opinions import foreign_columns
from cu_pipeline.ingest.rows import check_row

CAPABILITIES = Capabilities.model_validate({"topic": {}, "safety": {"kind": "multi"}})


def check(**record):
    return check_row({"text": "x"} | record, CAPABILITIES)


def opinions(**record):
    return json.loads(check(**record)["opinions"])


def test_text_is_cleaned_and_kept_as_it_came():
    raw = "  Hello\u200b &amp; #you \n"
    row = check(text=raw)
    assert (row["text"], row["raw_text"]) == ("Hello & #you", raw)


def test_text_of_invisible_characters_is_no_text():
    with pytest.raises(BadClipError, match="neither path nor text"):
        check(text="\u200b&#8203;", path="")


def test_other_columns_become_metadata():
    row = check(views="12", label_mood="sad", empty="", creator="ann")
    assert json.loads(row["metadata"]) == {"views": "12", "label_mood": "sad"}
    assert row["creator"] == "ann"


def test_the_feeds_language_is_spelt_as_usual():
    row = check(lang=" pt_br ")
    assert (row["lang"], row["lang_source"], row["metadata"]) == ("pt-BR", "feed", "{}")


def test_a_language_that_is_no_tag_becomes_metadata():
    row = check(lang="Portuguese")
    assert (row["lang"], row["lang_source"]) == ("", "")
    assert json.loads(row["metadata"]) == {"lang": "Portuguese"}


def test_a_bare_label_belongs_to_the_first_capability():
    assert opinions(label="cats") == {"topic": {"label": "cats"}}
    assert opinions(label_topic="dogs", label="cats") == {"topic": {"label": "dogs"}}


def test_classes_of_a_multi_label_are_in_order():
    assert opinions(label_safety=" violence | advert|") == {"safety": {"label": "advert|violence"}}
    assert opinions(label_safety="none") == {"safety": {"label": "none"}}
    assert opinions(label="b|a") == {"topic": {"label": "b|a"}}


def test_annotations_give_one_opinion_an_annotator():
    given = {"ann": "cats", "bob": None, "cy": "", "di": 0}
    assert opinions(annotations=json.dumps(given)) == {"topic": {"ann": "cats", "di": "0"}}
    given = {"ann": ["violence", "advert"], "bob": [], "cy": "none"}
    expected = {"ann": "advert|violence", "bob": "none", "cy": "none"}
    assert opinions(annotations_safety=json.dumps(given), label_safety="advert") == {
        "safety": expected | {"label": "advert"}
    }


@pytest.mark.parametrize("posted_at", ["2026-03-02", "2026-03-02T08:00:00Z", "2026-03-02 08:00+01:00", "20260302", ""])
def test_iso_dates_pass(posted_at):
    assert check(posted_at=posted_at)["posted_at"] == posted_at


@pytest.mark.parametrize(
    ("record", "detail"),
    [
        ({"text": "  ", "path": ""}, "neither path nor text"),
        ({"posted_at": "03/02/2026"}, "'03/02/2026' is not ISO 8601"),
        ({"annotations": "{'ann': 'cats'}"}, "is not JSON"),
        ({"annotations": '["cats"]'}, "not a JSON object"),
        ({"annotations_safety": '{"ann": {"a": 1}}'}, "not a text"),
        ({"_problem": "3 fields"}, "3 fields"),
    ],
)
def test_a_row_that_makes_no_sense_is_a_bad_row(record, detail):
    with pytest.raises(BadClipError, match=detail) as error:
        check(**record)
    assert error.value.reason is Reason.BAD_ROW


def test_labels_of_unknown_capabilities_are_noticed():
    columns = ["label", "label_topic", "label_mood", "annotations_safety", "annotations_x", "labels", "text"]
    assert foreign_columns(columns, CAPABILITIES) == ["label_mood", "annotations_x"]


def test_creators_and_annotators_are_spelt_one_way():
    assert check(creator=" Zoe\u0308\u00a0B\u200b")["creator"] == "Zoë B"
    spelt = {"Ana Mu\u0308ller": "cats", "Ana\u00a0Müller": "cats"}
    assert opinions(annotations=json.dumps(spelt)) == {"topic": {"Ana Müller": "cats"}}
    with pytest.raises(BadClipError, match="annotator 'Ana Müller' stands twice, with different labels"):
        check(annotations=json.dumps(spelt | {"Ana Müller": "dogs"}))
