from cu_pipeline.core.capability import Capabilities
from cu_pipeline.core.records import ANNOTATIONS, CLIPS, table
from cu_pipeline.labeling.resolve import class_counts, rare_classes, rare_in_words

CAPABILITIES = Capabilities.model_validate({"topic": {}, "safety": {"kind": "multi"}, "mood": {}})


def clips_of(**splits):
    rows = [
        {"clip_id": clip_id, "split": split, "group": f"unit of {clip_id}", "lang": "", "lang_source": "", "bytes": 0}
        for clip_id, split in splits.items()
    ]
    return table([row | {"has_audio": False} for row in rows], CLIPS)


def annotations_of(*opinions, kind="human", capability="topic"):
    names = ("clip_id", "annotator", "label")
    rows = [dict(zip(names, one, strict=True)) | {"kind": kind, "capability": capability} for one in opinions]
    return table(rows, ANNOTATIONS)


CLIPS_OF_FOUR = clips_of(a="train", b="train", c="validation", d="test")


def test_a_clip_counts_once_for_a_class_however_many_people_gave_it():
    said = annotations_of(("a", "x", "cats"), ("a", "y", "cats"), ("b", "x", "dogs"), ("d", "x", "cats"))
    assert class_counts(CLIPS_OF_FOUR, said, CAPABILITIES) == {
        "topic": {
            "cats": {"train": 1, "validation": 0, "test": 1},
            "dogs": {"train": 1, "validation": 0, "test": 0},
        }
    }


def test_where_people_disagree_most_of_them_must_agree_and_a_tie_counts_for_no_class():
    said = annotations_of(
        *(("a", who, "cats") for who in "xyz"), ("a", "w", "dogs"), ("b", "x", "cats"), ("b", "y", "dogs")
    )
    counts = class_counts(CLIPS_OF_FOUR, said, CAPABILITIES)["topic"]
    assert (counts["cats"]["train"], counts["dogs"]["train"]) == (1, 0)


def test_classes_of_a_multi_label_count_each_and_none_is_no_class():
    said = annotations_of(("a", "x", "advert|violence"), ("b", "x", "none"), ("c", "x", "advert"), capability="safety")
    assert class_counts(CLIPS_OF_FOUR, said, CAPABILITIES) == {
        "safety": {
            "advert": {"train": 1, "validation": 1, "test": 0},
            "violence": {"train": 1, "validation": 0, "test": 0},
        }
    }
    nothing = annotations_of(("a", "x", "none"), capability="safety")
    assert class_counts(CLIPS_OF_FOUR, nothing, CAPABILITIES) == {"safety": {}}


def test_configured_classes_without_a_label_are_rare_too():
    configured = Capabilities.model_validate({"topic": {"classes": ["cats", "dogs"]}})
    counts = class_counts(CLIPS_OF_FOUR, annotations_of(("a", "x", "cats")), configured)
    assert counts["topic"]["dogs"] == {"train": 0, "validation": 0, "test": 0}


def test_what_machines_say_does_not_count():
    assert class_counts(CLIPS_OF_FOUR, annotations_of(("a", "x", "cats"), kind="llm"), CAPABILITIES) == {}
    assert class_counts(CLIPS_OF_FOUR, annotations_of(), CAPABILITIES) == {}


def test_a_class_is_rare_when_any_split_has_too_few():
    counts = {
        "topic": {
            "cats": {"train": 9, "validation": 5, "test": 5},
            "dogs": {"train": 9, "validation": 4, "test": 5},
        }
    }
    rare = rare_classes(counts, 5)
    assert rare == [{"capability": "topic", "class": "dogs", "train": 9, "validation": 4, "test": 5}]
    assert rare_classes(counts, 0) == []
    told = rare_in_words(rare, 5)
    assert told.startswith("1 class has fewer than 5 clips with people's labels in a split")
    assert "topic 'dogs' (train 9, validation 4, test 5). Remedy: label more of them, or merge classes" in told


def test_a_warning_of_many_classes_is_short():
    rare = [
        {"capability": "topic", "class": str(number), "train": 0, "validation": 0, "test": 0} for number in range(30)
    ]
    assert "and 22 more" in rare_in_words(rare, 5)
    assert len(rare_in_words(rare, 5)) < 700
