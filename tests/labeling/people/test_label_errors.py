import numpy as np
import pandas as pd
import pytest

from cu_pipeline.core.capability import Capability, Kind, join_label
from cu_pipeline.core.records import ANNOTATIONS, CLIPS, table
from cu_pipeline.labeling.people.label_errors import suspect_labels
from cu_pipeline.labeling.people.options import ErrorOptions, PeopleOptions
from cu_pipeline.sample.clip_plans import plan_world
from cu_pipeline.sample.options import SampleOptions

CAPABILITIES = {
    "topic": Capability(classes=("construction", "cooking", "demolition", "football", "gaming", "pets")),
    "safety": Capability(kind=Kind.MULTI, classes=("advert", "violence")),
}


def _world(clips: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, dict[str, str]]]:
    """Give the sample world's clips, what people who err say of them, and what is right."""
    plans = {
        plan.clip_id: plan for plan in plan_world(SampleOptions(clips=clips, seed=seed)) if not plan.expected_reason
    }
    truth = {
        "topic": {name: plan.topic for name, plan in plans.items()},
        "safety": {name: join_label(plan.safety, Kind.MULTI) for name, plan in plans.items()},
    }
    rows = [
        {"clip_id": name, "capability": capability, "annotator": who, "kind": "human", "label": label}
        for name, plan in plans.items()
        for capability, votes in (("topic", plan.annotations), ("safety", plan.annotations_safety))
        for who, label in votes
    ]
    facts = [
        {"clip_id": name, "text": plan.text, "media_sha256": name, "text_sha256": name, "has_audio": False, "bytes": 0}
        for name, plan in plans.items()
    ]
    return table(facts, CLIPS), table(rows, ANNOTATIONS), truth


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_most_of_the_labels_listed_first_are_wrong_indeed(capability: str) -> None:
    clips, annotations, truth = _world(1000, 17)
    found = suspect_labels(
        clips, annotations, {capability: CAPABILITIES[capability]}, PeopleOptions(), ErrorOptions(), 0
    )
    suspects = found[capability]["suspects"]
    wrong = np.mean([truth[capability][one["clip_id"]] != one["label"] for one in suspects[:10]])
    assert wrong >= 0.6
    assert [one["score"] for one in suspects] == sorted(one["score"] for one in suspects)
    assert all(one["label"] != one["suggested"] for one in suspects)
    assert len(suspects) <= 20


def test_a_wrong_label_of_the_feed_itself_is_found(clips, votes) -> None:
    kinds = {"cooking": "roast the garlic in butter", "pets": "my puppy chases the kitten"}
    captions = {f"{kind}{number}": text for kind, text in kinds.items() for number in range(40)}
    labels = {name: name.rstrip("0123456789") for name in captions} | {"pets7": "cooking"}
    gold = votes(*((name, "label", label) for name, label in labels.items()))
    topic = {"topic": Capability(classes=("cooking", "pets"))}
    found = suspect_labels(clips(captions), gold, topic, PeopleOptions(), ErrorOptions(), 0)["topic"]
    assert found["clips"] == 80
    assert found["suspects"][0] | {"score": 0} == {
        "clip_id": "pets7",
        "label": "cooking",
        "suggested": "pets",
        "score": 0,
    }


def test_captions_that_say_nothing_and_lone_classes_are_no_error(clips, votes) -> None:
    topic = {"topic": Capability(classes=("a", "b"))}
    for captions in ({"1": "", "2": "", "3": ""}, {"1": "x"}, {}):
        said = votes(*((clip, "ann", "a") for clip in captions))
        found = suspect_labels(clips(captions), said, topic, PeopleOptions(), ErrorOptions(), 0)["topic"]
        assert found["clips"] == len(captions)
