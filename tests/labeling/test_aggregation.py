import json

import pandas as pd
import pytest

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.core.records import ANNOTATIONS, LABELS, table
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.labeling.aggregation import aggregate
from cu_pipeline.labeling.costs import bill
from cu_pipeline.labeling.guarantee.calibration_set import CALIBRATION
from cu_pipeline.labeling.guarantee.opinions import Opinions
from cu_pipeline.labeling.guarantee.options import GuaranteeOptions
from cu_pipeline.labeling.people.options import PeopleOptions

MAJORITY = PeopleOptions(method="majority")
TOPIC = {"topic": Capability(classes=("a", "b"))}
BOTH = {**TOPIC, "safety": Capability(kind=Kind.MULTI, classes=("advert", "violence"))}


def _opinions(clips: pd.DataFrame, annotations: pd.DataFrame, capabilities: dict[str, Capability]) -> Opinions:
    nobody = table([], CALIBRATION)
    return Opinions(clips, ResolvedCapabilities(capabilities), annotations, nobody, GuaranteeOptions(), 0.04)


def _aggregated(clips: pd.DataFrame, annotations: pd.DataFrame, capabilities: dict[str, Capability]) -> pd.DataFrame:
    return aggregate(_opinions(clips, annotations, capabilities), {}, MAJORITY)


def _llm(clip: str, label: str, probabilities: dict[str, float], price: float = 0.001) -> pd.DataFrame:
    row = {
        "clip_id": clip,
        "capability": "topic",
        "annotator": "model",
        "kind": "llm",
        "label": label,
        "probability": max(probabilities.values()),
        "probabilities": json.dumps(probabilities),
        "price": price,
        "version": "1",
    }
    return table([row], ANNOTATIONS)


def test_people_come_before_the_model_and_the_model_before_nothing(clips, votes) -> None:
    people = votes(("1", "ann", "a"), ("1", "bob", "a")).assign(price=0.04)
    annotations = pd.concat(
        [people, _llm("1", "b", {"a": 0.1, "b": 0.9}), _llm("2", "b", {"a": 0.2, "b": 0.8})], ignore_index=True
    )
    labels = _aggregated(clips({"1": "x", "2": "y", "3": ""}), annotations, TOPIC)
    assert list(labels.columns) == list(LABELS)
    assert labels["clip_id"].tolist() == ["1", "2"]
    assert labels["label"].tolist() == ["a", "b"]
    assert labels["source"].tolist() == ["human", "llm"]
    assert labels["annotators"].tolist() == [2, 1]
    assert labels["probability"].tolist() == pytest.approx([0.9, 0.8])
    assert json.loads(labels["probabilities"][1]) == {"a": 0.2, "b": 0.8}
    assert labels["price"].tolist() == pytest.approx([0.081, 0.001])
    assert not labels["certified"].any()


def test_a_clip_has_a_label_for_each_capability_that_someone_looked_at(clips, votes) -> None:
    annotations = pd.concat(
        [votes(("1", "label", "a"), ("2", "label", "b")), votes(("2", "label", "none"), capability="safety")]
    )
    labels = _aggregated(clips({"1": "", "2": ""}), annotations.assign(price=0.0), BOTH)
    rows = list(labels[["clip_id", "capability", "label", "probability"]].itertuples(index=False, name=None))
    assert rows == [("1", "topic", "a", 1.0), ("2", "topic", "b", 1.0), ("2", "safety", "none", 1.0)]


def test_a_label_costs_what_its_annotations_cost(clips, votes) -> None:
    annotations = votes(("1", "ann", "a"), ("1", "ben", "a"), ("2", "ann", "b")).assign(price=[0.5, 0.25, 0.0])
    labels = _aggregated(clips({"1": "", "2": ""}), annotations, TOPIC)
    assert labels["price"].tolist() == [0.75, 0.0]


def test_no_annotations_give_an_empty_table(clips, votes) -> None:
    labels = _aggregated(clips({"1": "x"}), votes(), TOPIC)
    assert labels.empty
    assert list(labels.columns) == list(LABELS)


def test_the_bill_names_sources_and_what_came_free(clips, votes) -> None:
    asked = votes(("1", "ann", "a"), ("1", "bob", "a")).assign(price=0.04)
    given = votes(("3", "ann", "a")).assign(price=0.0)
    annotations = pd.concat([asked, given, _llm("2", "b", {"a": 0.2, "b": 0.8}, 0.5)])
    table_of_clips = clips({"1": "x", "2": "y", "3": ""})
    labels = _aggregated(table_of_clips, annotations, TOPIC)
    assert bill(labels, _opinions(table_of_clips, annotations, TOPIC)) == [
        "topic: 3 of 3 clips have a label (2 by people, 1 by the language model)",
        "1 opinions of people came without a price: they cost nothing here",
    ]
