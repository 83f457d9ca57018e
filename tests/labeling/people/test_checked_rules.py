from collections.abc import Sequence

import pandas as pd
import pytest
from pydantic import TypeAdapter

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.core.records import table
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.labeling.guarantee.calibration_set import CALIBRATION
from cu_pipeline.labeling.guarantee.opinions import Opinions
from cu_pipeline.labeling.guarantee.options import GuaranteeOptions
from cu_pipeline.labeling.people.checked_rules import RuleCheck
from cu_pipeline.labeling.people.options import PeopleOptions
from cu_pipeline.labeling.people.requests import LabelRequest, Purpose
from cu_pipeline.labeling.sources.rules import AnyRule, annotate_by_rules
from cu_pipeline.pipelines.label.nodes import annotate_with_rules

TOPIC = Capability(classes=("cooking", "pets"))
SAFETY = Capability(kind=Kind.MULTI, classes=("advert", "violence"))


def rule(label: str, word: str, capability: str = "topic") -> AnyRule:
    told = {"name": word, "kind": "keywords", "capability": capability, "label": label, "words": [word]}
    return TypeAdapter(AnyRule).validate_python(told)


RECIPE = rule("cooking", "recipe")


def failed(
    clips: pd.DataFrame, people: pd.DataFrame, asked: Sequence[str], one: AnyRule = RECIPE, least: float = 0.7
) -> dict[str, float]:
    capability = {"topic": TOPIC, "safety": SAFETY}[one.capability]
    said = annotate_by_rules([one], lambda _: clips, {one.capability: capability}, ())
    return RuleCheck({one.name: 0.8}, asked, PeopleOptions(), least).failed(said, people, clips, capability)


def test_a_rules_accuracy_is_that_on_what_people_labelled_with_four_clips_at_its_word(clips, votes) -> None:
    seen = clips(dict.fromkeys("12345678", "a recipe") | {"9": "a recipe", "0": "a cat"})
    people = votes(*((one, "ann", "cooking" if one < "3" else "pets") for one in "123456780"))
    assert failed(seen, people, list("1234567890")) == {"recipe": pytest.approx((2 + 4 * 0.8) / (8 + 4))}
    assert failed(seen, people, list("12")) == {}, "clips that nobody asked for are of other feeds"
    assert failed(seen, people, []) == {}
    assert failed(seen, people, ["9", "0", "gone"]) == {}, "of nothing is known it is taken at its word"
    assert failed(seen, people, list("12345678"), least=0.4) == {}


def test_what_a_rule_was_right_about_long_ago_does_not_count(clips, votes) -> None:
    names = [f"c{number:03}" for number in range(100)]
    seen = clips(dict.fromkeys(names, "a recipe"))
    people = votes(*((one, "ann", "cooking" if one < "c080" else "pets") for one in names))
    assert failed(seen, people, names) == {"recipe": pytest.approx((20 + 3.2) / 44)}
    assert failed(seen, people, names[::-1]) == {}


def test_clips_on_which_people_are_even_tell_nothing(clips, votes) -> None:
    seen = clips(dict.fromkeys("1234", "a recipe"))
    people = votes(*((one, who, label) for one in "1234" for who, label in (("ann", "pets"), ("bob", "cooking"))))
    assert failed(seen, people, list("1234")) == {}


def test_of_several_classes_the_whole_answer_must_be_right(clips, votes) -> None:
    seen = clips(dict.fromkeys("1234", "a fight"))
    told = votes(*((one, "ann", "violence|advert") for one in "1234"), capability="safety")
    assert failed(seen, told, list("1234"), rule("advert|violence", "fight", "safety")) == {}
    assert failed(seen, told, list("1234"), rule("violence", "fight", "safety")) == {"fight": pytest.approx(3.2 / 8)}


def test_where_a_rule_failed_none_labels_what_was_taken_along(clips, votes, tmp_path) -> None:
    captions = {"old": "a recipe", "along": "a recipe", "both": "a recipe with a cat"} | dict.fromkeys("1234", "recipe")
    feeds = ["first.csv", "served", "served", "served", "served", "served", "served"]
    seen = clips(captions).assign(feed=feeds, split="train", text_sha256=list(captions))
    people = votes(*((one, "ann", "pets") for one in "1234")).assign(price=0.0)
    resolved = ResolvedCapabilities({"topic": TOPIC})
    opinions = Opinions(seen, resolved, people, table([], CALIBRATION), GuaranteeOptions(), 0.04)
    requests = [LabelRequest("0001", one, Purpose.TEST) for one in "1234"]

    def labelled(least: float) -> set[tuple[str, str]]:
        rules = (RECIPE, rule("pets", "cat"))
        said, heard = annotate_with_rules(opinions, tmp_path / "none.py", rules, requests, PeopleOptions(), least)
        assert len(said) == 8, "what rules say is kept"
        counted = heard.annotations[heard.annotations["kind"] == "rule"]
        return set(counted[["clip_id", "annotator"]].itertuples(index=False, name=None))

    everything = {(name, "recipe") for name in captions} | {("both", "cat")}
    assert labelled(0.0) == everything
    assert labelled(0.7) == everything - {("along", "recipe"), ("both", "recipe"), ("both", "cat")}
