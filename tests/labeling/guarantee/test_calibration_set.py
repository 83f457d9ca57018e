import pandas as pd
import pytest

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.labeling.guarantee.calibration_set import calibration_clips, drawn_by_feed, prior_knowledge
from cu_pipeline.labeling.guarantee.options import GuaranteeOptions, Sample
from cu_pipeline.labeling.people.options import PeopleOptions


def test_calibration_clips_come_as_they_arrived_after_those_that_came_labelled(clips, votes) -> None:
    table = clips({name: name for name in "abcdefg"})
    table["text_sha256"] = ["same" if name in "fg" else name for name in table["clip_id"]]
    drawn = votes(*[(name, "ann", "x") for name in "abdg"]).assign(draw="random")
    valued = votes(("c", "ann", "y")).assign(draw="value")
    people = pd.concat([drawn, valued, votes(("e", "label", "y")).assign(draw="")], ignore_index=True)
    topic = {"topic": Capability(classes=("x", "y"))}

    def order(sample: Sample) -> str:
        options = GuaranteeOptions(calibration=sample)
        arrived = ["d", "g", "c", "a", "d", "b"]
        return "".join(calibration_clips(table, people, topic, options, PeopleOptions(), arrived)["clip_id"])

    assert order(Sample.RANDOM_DRAWS) == "dfab"
    assert order(Sample.FEED) == "edfab"


def test_machines_learn_only_from_what_came_with_the_feed_and_from_no_clip_that_they_are_tested_on(votes) -> None:
    came = votes(("a", "label", "x"), ("b", "label", "y")).assign(draw="")
    asked = [
        votes((name, "ann", "x")).assign(draw=draw) for name, draw in (("c", "random"), ("d", "value"), ("e", "gold"))
    ]
    calibration = pd.DataFrame({"capability": ["topic"], "clip_id": ["b"], "label": ["y"]})
    known = prior_knowledge(pd.concat([came, *asked], ignore_index=True), calibration)
    assert known["clip_id"].tolist() == ["a"]


def test_a_feed_says_which_of_its_labelled_clips_were_drawn_at_random(clips, votes) -> None:
    table = clips(dict.fromkeys("abc", "")).assign(
        metadata=['{"annotation_draw": "random"}', '{"annotation_draw": ""}', "{}"]
    )
    people = votes(("a", "label", "x"), ("b", "label", "x"), ("c", "label", "x")).assign(draw="")
    marked = drawn_by_feed(people, table)
    assert dict(zip(marked["clip_id"], marked["draw"], strict=True)) == {"a": "random", "b": "", "c": ""}
    topic = {"topic": Capability(classes=("x", "y"))}
    assert calibration_clips(table, marked, topic, GuaranteeOptions(), PeopleOptions())["clip_id"].tolist() == ["a"]


def test_a_draw_that_is_not_at_random_is_refused(clips, votes) -> None:
    table = clips({"a": ""}).assign(metadata='{"annotation_draw": "value"}')
    with pytest.raises(ConfigurationError, match="clip a: annotation_draw 'value' is unknown: write random"):
        drawn_by_feed(votes(("a", "label", "x")), table)
