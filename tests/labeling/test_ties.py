"""Where people's votes are even nobody has decided: no measurement takes a side."""

import json
from collections.abc import Callable

import pandas as pd
import pytest

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.core.records import table
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.evaluation.judged import Judged
from cu_pipeline.labeling.aggregation import aggregate
from cu_pipeline.labeling.costs import bill, summarise
from cu_pipeline.labeling.guarantee.calibration_set import CALIBRATION, calibration_clips
from cu_pipeline.labeling.guarantee.opinions import Opinions
from cu_pipeline.labeling.guarantee.options import GuaranteeOptions, Sample
from cu_pipeline.labeling.money import Money
from cu_pipeline.labeling.people.options import PeopleOptions
from cu_pipeline.labeling.priors import people_captions
from cu_pipeline.labeling.sources.source import TIE

TOPIC = {"topic": Capability(classes=("a", "b"))}
SAFETY = {"safety": Capability(kind=Kind.MULTI, classes=("advert", "violence"))}


@pytest.fixture
def opinions(clips: Callable[..., pd.DataFrame], votes: Callable[..., pd.DataFrame]) -> Opinions:
    """Votes of two people on four clips: even on 1 and 3, decided on 2; the feed's own label decides 4."""
    said = votes(
        *(("1", "ann", "a"), ("1", "bob", "b"), ("2", "ann", "a"), ("2", "bob", "a"), ("3", "ann", "b")),
        *(("3", "bob", "a"), ("4", "ann", "a"), ("4", "bob", "b"), ("4", "label", "b")),
    )
    captions = clips({name: f"caption {name}" for name in "1234"}).assign(split="test")
    nobody = table([], CALIBRATION)
    return Opinions(captions, ResolvedCapabilities(TOPIC), said.assign(price=0.04), nobody, GuaranteeOptions(), 0.04)


def test_a_tie_is_told_as_one_and_keeps_its_probabilities(opinions: Opinions) -> None:
    labels = aggregate(opinions, {}, PeopleOptions())
    assert dict(zip(labels["clip_id"], labels["source"], strict=True)) == {
        "1": TIE,
        "2": "human",
        "3": TIE,
        "4": "human",
    }
    assert json.loads(labels["probabilities"][0]) == {"a": 0.5, "b": 0.5}
    assert "2 by people whose votes are even" in bill(labels, opinions)[0]


def test_nothing_is_measured_on_a_tie(opinions: Opinions) -> None:
    labels = aggregate(opinions, {}, PeopleOptions())
    judged = Judged.of("topic", TOPIC["topic"], opinions.clips, labels)
    assert judged.clips["test"]["clip_id"].tolist() == ["2", "4"]
    summary = summarise(opinions, labels, Money(), {}, PeopleOptions())
    assert summary["capabilities"]["topic"]["agreement"] == []


def test_no_prompt_is_shown_or_measured_on_a_tie(opinions: Opinions) -> None:
    found = people_captions(opinions.clips, opinions.annotations, "topic", TOPIC["topic"], PeopleOptions())
    assert dict(zip(found["clip_id"], found["label"], strict=True)) == {"2": "a", "4": "b"}


@pytest.mark.parametrize("method", ["majority", "dawid_skene"])
def test_no_guarantee_is_tested_on_a_tie(opinions: Opinions, method: str) -> None:
    people = PeopleOptions(method=method)
    options = GuaranteeOptions(calibration=Sample.FEED)
    said = opinions.annotations.assign(draw="")
    drawn = calibration_clips(opinions.clips, said, TOPIC, options, people)
    assert {"2", "4"} <= set(drawn["clip_id"])
    assert method == "dawid_skene" or set(drawn["clip_id"]) == {"2", "4"}


def test_a_class_on_which_votes_are_even_makes_a_set_of_classes_a_tie(clips, votes) -> None:
    said = votes(
        ("1", "ann", "advert"), ("1", "bob", "advert|violence"), ("2", "ann", "none"), ("2", "bob", "none"),
        capability="safety",
    )  # fmt: skip
    captions = clips({"1": "", "2": ""})
    nobody = table([], CALIBRATION)
    given = Opinions(captions, ResolvedCapabilities(SAFETY), said.assign(price=0.04), nobody, GuaranteeOptions(), 0.04)
    labels = aggregate(given, {}, PeopleOptions())
    assert list(zip(labels["clip_id"], labels["source"], labels["label"], strict=True)) == [
        ("1", TIE, "advert"),
        ("2", "human", "none"),
    ]


def test_a_third_vote_ends_a_tie(clips, votes) -> None:
    said = votes(("1", "ann", "a"), ("1", "bob", "b"), ("1", "cyd", "b"))
    nobody = table([], CALIBRATION)
    given = Opinions(
        clips({"1": ""}), ResolvedCapabilities(TOPIC), said.assign(price=0.04), nobody, GuaranteeOptions(), 0.04
    )
    labels = aggregate(given, {}, PeopleOptions())
    assert (labels["source"][0], labels["label"][0]) == ("human", "b")
