import json
import math
from types import SimpleNamespace

import pandas as pd
import pytest

from cu_pipeline.core.errors import DeliveryError
from cu_pipeline.core.records import CLIPS, PREDICTIONS
from cu_pipeline.core.scope import Scope
from cu_pipeline.pipelines.deliver import verification
from cu_pipeline.pipelines.deliver.verification import check_parity, choose, expected, told_fields

OFFLINE = {"a": {"topic": {"cooking": 0.25, "sport": 0.75}, "safety": {"advert": 0.5}}}
VERSIONS = {"topic": "t1", "safety": "s1"}


def answer(**topic):
    probabilities = {"cooking": 0.25, "sport": 0.75} | topic
    return {
        "a": {
            "capabilities": {
                "topic": {"probabilities": probabilities, "model_version": "t1"},
                "safety": {"probabilities": {"advert": 0.5}, "model_version": "s1"},
            }
        }
    }


def test_equal_answers_pass():
    assert check_parity(answer(), OFFLINE, VERSIONS, 1e-4) == 0


def test_a_difference_within_the_tolerance_passes_and_is_reported():
    assert check_parity(answer(sport=0.75005), OFFLINE, VERSIONS, 1e-4) == pytest.approx(5e-5)


@pytest.mark.parametrize("value", [0.7502, 0.7498, math.nan, math.inf])
def test_a_difference_over_the_tolerance_fails(value):
    with pytest.raises(DeliveryError, match="clip a, topic: differs"):
        check_parity(answer(sport=value), OFFLINE, VERSIONS, 1e-4)


def test_other_classes_fail():
    with pytest.raises(DeliveryError, match="clip a, topic: differs by inf"):
        check_parity(answer(music=0.0), OFFLINE, VERSIONS, 1e-4)


def test_a_missing_capability_fails():
    served = answer()
    del served["a"]["capabilities"]["safety"]
    with pytest.raises(DeliveryError, match=r"capabilities \['topic'\]"):
        check_parity(served, OFFLINE, VERSIONS, 1e-4)


def test_an_answer_of_another_model_fails():
    with pytest.raises(DeliveryError, match="answered by model t1 instead of t2"):
        check_parity(answer(), OFFLINE, VERSIONS | {"topic": "t2"}, 1e-4)


def test_all_problems_are_named_at_once():
    served = answer(sport=0.9)
    served["a"]["capabilities"]["safety"]["probabilities"]["advert"] = 0.1
    with pytest.raises(DeliveryError, match=r"(?s)topic.*safety"):
        check_parity(served, OFFLINE, VERSIONS, 1e-4)


def clips():
    rows = [
        {
            "clip_id": f"{split}{number}",
            "split": split,
            "path": "" if number % 2 else f"clips/{number}.mp4",
            "text": "x",
        }
        for split in ("train", "test")
        for number in range(20)
    ]
    return pd.DataFrame(rows, columns=list(CLIPS), dtype="object")


def predictions(clip_ids, version="t1"):
    return pd.DataFrame(
        [
            {"clip_id": clip, "capability": "topic", "probabilities": json.dumps({"a": 0.5}), "model_version": version}
            for clip in clip_ids
        ],
        columns=list(PREDICTIONS),
        dtype="object",
    )


def test_predicted_test_clips_with_media_are_compared_and_other_test_clips_replayed():
    everything = clips()
    compared, replayed = choose(everything, predictions(everything["clip_id"]), 3, 12)
    assert len(compared) == 3
    assert (compared["path"] != "").all()
    assert (compared["split"] == "test").all()
    assert len(replayed) == 12
    assert (replayed["split"] == "test").all()
    assert not set(compared["clip_id"]) & set(replayed["clip_id"])
    assert list(compared.columns) == list(CLIPS)


def test_the_choice_does_not_depend_on_the_order_of_rows():
    everything = clips()
    known = predictions(everything["clip_id"])
    shuffled = everything.sample(frac=1, random_state=1)
    for first, second in zip(choose(everything, known, 3, 12), choose(shuffled, known, 3, 12), strict=True):
        assert first["clip_id"].tolist() == second["clip_id"].tolist()


def test_only_predicted_clips_are_compared_while_there_are_enough():
    everything = clips()
    compared, _ = choose(everything, predictions(["train1", "train3"]), 2, 0)
    assert set(compared["clip_id"]) == {"train1", "train3"}


class Champion:
    def __init__(self, version, scope=None):
        self.version, self.scope = version, scope or Scope()

    def scoped(self, scope):
        return Champion(self.version, scope)


class Offline:
    """Stands in for the offline predictor and counts its work."""

    calls = 0

    def __init__(self, bundles):
        self.bundles = bundles

    def predict(self, media, text):
        type(self).calls += 1

        return SimpleNamespace(probabilities={name: {"a": 0.9} for name in self.bundles})


def test_stored_predictions_of_the_champion_are_what_is_expected(monkeypatch):
    monkeypatch.setattr(verification, "Predictor", Offline)
    chosen = clips().head(2)
    known = predictions(chosen["clip_id"], "t1")
    Offline.calls = 0
    assert expected(chosen, known, {"topic": Champion("t1")})["train0"] == {"topic": {"a": 0.5}}
    assert Offline.calls == 0


def test_an_older_champion_is_run_offline_instead(monkeypatch):
    monkeypatch.setattr(verification, "Predictor", Offline)
    chosen = clips().head(2)
    known = predictions(chosen["clip_id"], "t2")
    Offline.calls = 0
    assert expected(chosen, known, {"topic": Champion("t1")})["train0"] == {"topic": {"a": 0.9}}
    assert Offline.calls == 2


def test_outside_its_scope_a_champion_must_not_answer(monkeypatch):
    monkeypatch.setattr(verification, "Predictor", Offline)
    chosen = clips().head(2).assign(feed=["videos.csv", "texts.csv"], lang=["de", ""], metadata='{"platform": "tube"}')
    limits = Scope.model_validate({"feeds": ["videos.csv"], "metadata": {"platform": ["tube"], "year": [""]}})
    champions = {"topic": Champion("t1", limits)}
    offline = expected(chosen, predictions(chosen["clip_id"]), champions)
    assert offline == {"train0": {"topic": {"a": 0.5}}, "train1": {}}
    said = {"probabilities": {"a": 0.5}, "model_version": "t1"}
    silent = {"label": None, "applicable": False, "model_version": "t1"}
    served = {"train0": {"capabilities": {"topic": said}}, "train1": {"capabilities": {"topic": silent}}}
    assert check_parity(served, offline, {"topic": "t1"}, 1e-4) == 0
    served["train1"]["capabilities"]["topic"] = said
    with pytest.raises(DeliveryError, match="clip train1"):
        check_parity(served, offline, {"topic": "t1"}, 1e-4)


def test_a_request_tells_what_scopes_ask_and_no_more():
    chosen = clips().head(2).assign(feed=["videos.csv", "texts.csv"], lang=["de", ""], metadata='{"platform": "tube"}')
    assert told_fields(chosen, {"topic": Champion("t1")}) == [{}, {}]
    limits = Scope.model_validate({"languages": "de", "metadata": {"platform": "tube", "year": ""}})
    metadata = '{"platform": "tube", "year": ""}'
    assert told_fields(chosen, {"topic": Champion("t1", limits)}) == [
        {"lang": "de", "metadata": metadata},
        {"lang": "und", "metadata": metadata},
    ]
