from collections import Counter

import numpy as np
import pytest

from cu_pipeline.core.capability import Capabilities, Kind
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.ingest.class_names import settle_classes
from cu_pipeline.ingest.labels import read_label

MULTI, SINGLE = Kind.MULTI, Kind.SINGLE


@pytest.mark.parametrize(
    ("given", "label"),
    [
        ('["advert", "violence"]', "advert|violence"),
        (["violence", None, "advert"], "advert|violence"),
        ([["violence"], [], ["advert", "advert"]], "advert|violence"),
        (("violence", "advert"), "advert|violence"),
        ("['advert', 'violence']", "advert|violence"),
        ('["Caf\\u0065\\u0301", "Café"]', "Café"),
        ("[]", "none"),
        ("[[], []]", "none"),
        ("[null]", ""),
        ('[""]', ""),
        ("[1, 2.0, true]", "1|2|true"),
        ("None", "none"),
        ("NONE|advert", "advert"),
        (" violence |\u200badvert|\u00a0", "advert|violence"),
        ("|", ""),
        (None, ""),
    ],
)
def test_a_label_of_several_classes(given, label):
    assert read_label(given, MULTI, "") == label


@pytest.mark.parametrize(
    ("given", "label"),
    [
        ('["cooking"]', "cooking"),
        (["cooking", "cooking "], "cooking"),
        ("[]", ""),
        ("none", "none"),
        ("News | Politics", "News | Politics"),
        ("[sic]", "[sic]"),
        ("Tom\u00a0&amp;  Jerry\u200b", "Tom & Jerry"),
        (7.0, "7"),
        (False, "false"),
    ],
)
def test_a_label_of_one_class(given, label):
    assert read_label(given, SINGLE, "") == label


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        (
            '["cooking", "pets"]',
            SINGLE,
            "shown names 2 classes where exactly one holds: give one, or say `kind: multi`",
        ),
        ("['advert' 'violence']", MULTI, "looks like a list and is not JSON: write it as advert|violence"),
        ('["a|b"]', MULTI, "'a|b' has '|', which stands between classes"),
        ("a" * 101, SINGLE, "has 101 characters, and 100 are allowed: give it a shorter name"),
        ({"a": 1}, MULTI, "not a text, a number or a list"),
        ([{"a": 1}], MULTI, "not a text, a number or a list"),
    ],
)
def test_a_label_of_no_use_says_why(given, kind, message):
    with pytest.raises(ValueError, match=message.replace("|", r"\|")):
        read_label(given, kind, "shown")


def test_a_class_of_a_hundred_characters_is_read():
    assert read_label("a" * 100, SINGLE, "") == "a" * 100


def said(*labels, **capability):
    """Settle the labels of one capability."""
    found = settle_classes({"topic": Counter(labels)}, Capabilities.model_validate({"topic": capability}))
    return [found.get("topic", {}).get(label, label) for label in labels]


def test_classes_that_differ_only_in_case_stop_collect_with_both_spellings_and_their_counts():
    with pytest.raises(ConfigurationError) as error:
        said(*["Food"] * 30, *["food"] * 2, "pets")
    assert "'Food' (30 times) and 'food' (2 times)" in str(error.value)
    assert "capabilities.topic.classes" in str(error.value)


def test_a_configured_class_is_meant_by_its_other_spellings(caplog):
    assert said("food", "ＦＯＯＤ", "Food", "pets", classes=["Food", "pets"]) == [
        "Food",
        "Food",
        "Food",
        "pets",
    ]
    assert "'food' (1 times) for 'Food'" in caplog.text
    assert said("food|Food|pets", "none", classes=["Food", "pets"], kind="multi") == ["Food|pets", "none"]


def test_labels_outside_the_configured_classes_are_told_by_collect():
    with pytest.raises(ConfigurationError, match=r"not among its classes: 'cars' \(2 times\)\. Classes: Food, pets"):
        said("cars", "cars", "Food", classes=["Food", "pets"])


def test_a_bar_where_one_class_holds_is_told(caplog):
    assert said("advert|violence", "advert") == ["advert|violence", "advert"]
    assert "each is taken as one class ('advert|violence')" in caplog.text
    assert "kind: multi" in caplog.text


def test_other_capabilities_labels_stay():
    capabilities = Capabilities.model_validate({"topic": {"classes": ["Food"]}, "mood": {}})
    found = settle_classes({name: {"food": 1} for name in ("topic", "mood")}, capabilities)
    assert found == {"topic": {"food": "Food"}}


def test_numpy_lists_are_lists(tmp_path):
    from cu_pipeline.ingest.manifest import to_frame

    rows = [{"label": np.array(["violence", "advert"])}, {"label": np.array([])}, {"label": [np.array(["advert"])]}]
    assert [read_label(cell, MULTI, "") for cell in to_frame(rows)["label"]] == ["advert|violence", "none", "advert"]


@pytest.mark.parametrize("kind", Kind)
def test_not_applicable_is_an_answer_of_its_own(kind: Kind) -> None:
    assert read_label(" Not_Applicable ", kind, "label") == "not_applicable"
    assert read_label('["not_applicable"]', kind, "label") == "not_applicable"
    with pytest.raises(ValueError, match="stands alone"):
        read_label('["not_applicable", "cats"]', kind, "label 'x'")
