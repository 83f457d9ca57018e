import copy
import json

import pytest

from cu_pipeline.core.errors import Reason
from cu_pipeline.reports.data_card import data_warnings
from cu_pipeline.reports.data_page import MEANINGS


@pytest.fixture(scope="module")
def results(make_results):
    return make_results()


@pytest.fixture
def card(results):
    return copy.deepcopy(results.data_card)


def test_the_card_is_json_and_counts_everything_once(results, card):
    assert json.loads(json.dumps(card, allow_nan=False))["clips"]["n"] == len(results.clips) == 120
    assert sum(n for _, n in card["splits"]) == 120
    assert sum(n for _, n in card["languages"]) == 120
    assert card["classes"]["topic"]["comedy"] == {"train": 9, "validation": 6, "test": 5}
    assert card["duplicates"] == {"groups": 2, "clips": 5, "largest": 3}
    assert card["rejects"] == [("not_media", 1), ("truncated", 1)]


def alarming(card, **changes):
    return " ".join(data_warnings(card | changes))


def test_each_warning_names_its_numbers(card):
    assert "3 creators are in more than one split" in alarming(card, leakage={"creators": 3, "common_captions": 9})
    assert "2 captions are in more than one split, so clips" in alarming(card, leakage={"captions": 2})
    assert "40 of 120 clips are copies of one another" in alarming(card, duplicates={"largest": 40})
    telling = {"n": 90, "accuracy": 0.8, "majority": 0.4, "p_value": 1e-5, "telling": {"text_length": 0.3}}
    shortcut = alarming(card, shortcuts={"topic": telling})
    assert "metadata alone (text length) tell 80% of 90 labels" in shortcut
    assert "always naming the commonest label 40%" in shortcut
    assert "topic: 9 labels in the test split, so an accuracy is known to about ±33%" in alarming(
        card, labelled={"topic": {"train": 99, "validation": 9, "test": 9}}
    )
    assert "topic: fewer than 5 labels in a split of cooking (9, 6, 3);" in alarming(card)
    low = {"topic": {"alpha": 0.31, "alpha_ci95": [0.2, 0.4], "people": []}}
    assert "alpha 0.31 only" in alarming(card, agreement=low)
    assert "60 of 180 rows were refused (missing 60)" in alarming(card, rejects=[("missing", 60)])
    assert "50 of 120 clips are by one creator, ann" in alarming(card, creators=[("ann", 50)])


def test_sound_data_raise_no_warning(card):
    plenty = {"train": 900, "validation": 200, "test": 200}
    sound = {
        "leakage": {"creators": 0, "common_captions": 2},
        "shortcuts": {"topic": None},
        "labelled": {"topic": plenty},
        "classes": {"topic": {"pets": plenty, "cats": plenty}},
        "rare_classes": [],
        "agreement": {"topic": {"alpha": 0.8, "alpha_ci95": [0.7, 0.9], "people": []}},
        "rejects": [("missing", 1)],
        "creators": [("ann", 5)],
    }
    assert data_warnings(card | sound) == []


def test_every_reason_of_a_refusal_has_a_meaning() -> None:
    assert set(MEANINGS) == set(Reason)
