import numpy as np
import pandas as pd
import pytest

from cu_pipeline.core.capability import Capability, Kind, join_label
from cu_pipeline.core.records import ANNOTATIONS, CLIPS, table
from cu_pipeline.labeling.people import label_errors, other_captions
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
    options = SampleOptions(clips=clips, seed=seed, unlabelled=0.2, gold=0.1)
    plans = {plan.clip_id: plan for plan in plan_world(options) if not plan.expected_reason}
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


@pytest.fixture(scope="module")
def world() -> tuple[pd.DataFrame, pd.DataFrame, dict[str, dict[str, str]]]:
    """A world in which about one label in twenty is wrong."""
    return _world(300, 17)


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_labels_listed_first_are_wrong_far_more_often_than_others(world, capability: str) -> None:
    clips, annotations, truth = world
    found = suspect_labels(
        clips, annotations, {capability: CAPABILITIES[capability]}, PeopleOptions(), ErrorOptions(), 0
    )
    suspects = found[capability]["suspects"]
    wrong = [truth[capability][one["clip_id"]] != one["label"] for one in suspects]
    assert sum(wrong) >= 2
    assert all(one["label"] != one["suggested"] for one in suspects)
    assert len(suspects) <= 20


def _stated(random: np.random.Generator, truth: str, classes: dict[str, list[str]]) -> str:
    """Write a caption of which half the words are those of a class, the others anything's."""
    anything = [word for words in classes.values() for word in words]
    return " ".join(random.choice(classes[truth] if random.random() < 0.5 else anything) for _ in range(8))


@pytest.mark.parametrize("shares", [(0.9, 0.1), (0.5, 0.25, 0.15, 0.06, 0.04)])
def test_that_a_class_is_rare_speaks_against_no_label_of_it(clips, votes, shares: tuple[float, ...]) -> None:
    """Of 40 planted errors as many were given each class; a classifier is less sure of every clip of a rare one."""
    random = np.random.default_rng(4)
    classes = {name: [f"{name}{word}" for word in range(12)] for name in "vwxyz"[: len(shares)]}
    names = list(classes)
    truth = {f"c{place:03}": str(random.choice(names, p=shares)) for place in range(500)}
    captions = {clip: _stated(random, right, classes) for clip, right in truth.items()}
    labels = dict(truth)
    for given in names * (40 // len(names)):
        clip = random.choice([one for one in truth if truth[one] == labels[one] != given])
        labels[clip] = given
    gold = votes(*((clip, "label", label) for clip, label in labels.items()))
    topic = {"topic": Capability(classes=tuple(names))}
    suspects = suspect_labels(clips(captions), gold, topic, PeopleOptions(), ErrorOptions(), 0)["topic"]["suspects"]
    accused = [one["label"] for one in suspects]
    assert all(0 < accused.count(name) <= 20 // len(names) + 1 for name in names)
    assert np.mean([truth[one["clip_id"]] != one["label"] for one in suspects]) >= 0.6


def test_a_label_of_a_rare_class_is_listed_for_its_evidence_alone(clips, votes) -> None:
    """Where captions tell nothing, no label is doubted, however rare."""
    labels = {f"c{place}": "rare" if place % 10 == 0 else "common" for place in range(60)}
    gold = votes(*((clip, "label", label) for clip, label in labels.items()))
    topic = {"topic": Capability(classes=("common", "rare"))}
    found = suspect_labels(clips(dict.fromkeys(labels, "the same")), gold, topic, PeopleOptions(), ErrorOptions(), 0)
    assert found["topic"]["suspects"] == []


def test_clips_on_which_votes_are_even_have_no_label_to_be_wrong(clips, votes) -> None:
    captions = {f"c{place}": "roast the garlic" if place % 2 else "my puppy" for place in range(20)}
    said = [(clip, "ann", "cooking" if "garlic" in text else "pets") for clip, text in captions.items()]
    said += [(clip, "bob", label) for clip, _, label in said[2:]] + [("c0", "bob", "cooking"), ("c1", "bob", "pets")]
    topic = {"topic": Capability(classes=("cooking", "pets"))}
    found = suspect_labels(clips(captions), votes(*said), topic, PeopleOptions(), ErrorOptions(doubtful=1.0), 0)
    assert {"c0", "c1"}.isdisjoint(one["clip_id"] for one in found["topic"]["suspects"])


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


def test_of_many_captions_a_sample_is_learned_from_and_all_labels_are_looked_at(
    clips, votes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    random = np.random.default_rng(4)
    classes = {name: [f"{name}{word}" for word in range(6)] for name in "vw"}
    truth = {f"c{place:03}": "vw"[place % 2] for place in range(400)}
    captions = {clip: _stated(random, right, classes) for clip, right in truth.items()}
    wrong = sorted(truth)[::40]
    labels = truth | {clip: "w" if truth[clip] == "v" else "v" for clip in wrong}
    gold = votes(*((clip, "label", label) for clip, label in labels.items()))
    for module in (label_errors, other_captions):
        monkeypatch.setattr(module, "MOST_LEARNED", 150)
    with caplog.at_level("INFO"):
        found = suspect_labels(clips(captions), gold, {"topic": Capability(classes=("v", "w"))},
                               PeopleOptions(), ErrorOptions(), 0)["topic"]  # fmt: skip
    assert found["clips"] == 400
    assert len({one["clip_id"] for one in found["suspects"]} & set(wrong)) >= 6, "of 10"
    assert "topic: what captions tell of the labels of 400 clips is learned from 150 of 320 others" in caplog.text
