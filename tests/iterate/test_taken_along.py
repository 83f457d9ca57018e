from dataclasses import replace

import pandas as pd
import pytest
from pydantic import TypeAdapter
from tests.iterate.test_candidates import captured

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.core.records import Split
from cu_pipeline.iterate.candidates import Place, content_of
from cu_pipeline.iterate.options import ChooseOptions
from cu_pipeline.iterate.taken_along import RulesOfThumb, take_along
from cu_pipeline.labeling.sources.rules import AnyRule

ACTIVE = {
    "topic": Capability(classes=("cooking", "pets")),
    "safety": Capability(kind=Kind.MULTI, classes=("advert", "violence")),
}
TRAIN = Place("creator:x", Split.TRAIN, known=False)


def rule(label: str, *words: str, **how: object) -> AnyRule:
    told = {"name": label, "kind": "keywords", "capability": "topic", "label": label, "words": words} | how
    return TypeAdapter(AnyRule).validate_python(told)


COOKING, PETS = rule("cooking", "recipe"), rule("pets", "cat")
ADVERT = rule("advert", "discount", capability="safety")


def answered(*captions: str, rules=(COOKING, PETS, ADVERT), feeds=("clips.csv",)) -> list[float]:
    clips = [replace(captured(number), caption=text) for number, text in enumerate(captions)]
    return RulesOfThumb.of(rules, ACTIVE, pd.DataFrame({"feed": feeds})).answered(clips).tolist()


def test_the_share_of_capabilities_is_told_about_which_rules_answer_and_agree() -> None:
    assert answered("my recipe", "a cat", "recipe: discount!", "a cat with a recipe", "") == [0.5, 0.5, 1.0, 0.0, 0.0]
    assert answered("my&nbsp;recipe") == [0.5], "captions are cleaned as in the data"
    assert answered("my recipe", rules=[]) == [0.0]
    assert answered() == []
    both, turned = (rule(name, "fight", capability="safety") for name in ("advert|violence", "violence|advert"))
    assert answered("a fight", rules=[both, turned]) == [0.5], "in any order"


@pytest.mark.parametrize(
    ("feeds", "told"),
    [
        (["clips.csv"], [0.5]),
        (["clips.csv", "served"], [0.5]),
        (["clips.csv", "more.csv"], [0.0]),
        (["more.csv"], [0.0]),
    ],
)
def test_a_rule_for_a_feed_is_about_what_the_service_saw_where_that_is_the_only_feed(feeds, told) -> None:
    assert answered("my recipe", rules=[rule("cooking", "recipe", feeds=["clips.csv"])], feeds=feeds) == told


@pytest.mark.parametrize("feeds", [["clips.csv"], ["clips.csv", "served"], ["clips.csv", "more.csv"]])
def test_a_rule_may_name_what_the_service_saw_before_any_of_it_is_in_the_data(feeds) -> None:
    assert answered("my recipe", rules=[rule("cooking", "recipe", feeds=["served"])], feeds=feeds) == [0.5]


@pytest.mark.parametrize(
    ("scope", "told"),
    [
        ({"feeds": ["clips.csv"]}, 0.0),
        ({"feeds": ["served"]}, 1.0),
        ({"languages": ["de"]}, 0.0),
        ({"languages": ["en"]}, 1.0),
        ({"modalities": ["text"]}, 1.0),
        ({"metadata": {"region": ["eu"]}}, 1.0),
    ],
)
def test_rules_of_a_capability_that_does_not_apply_say_nothing(scope, told) -> None:
    active = {"topic": Capability.model_validate({"classes": ["cooking", "pets"], "scope": scope})}
    clip = replace(captured(1), caption="my recipe", facts={"lang": "en"})
    rules = RulesOfThumb.of([COOKING], active, pd.DataFrame({"feed": ["clips.csv"]}))
    assert rules.answered([clip]).tolist() == [told]


def test_a_rule_that_goes_by_what_is_not_measured_yet_says_nothing() -> None:
    short = TypeAdapter(AnyRule).validate_python(
        {"name": "short", "kind": "duration", "capability": "topic", "label": "pets", "at_most_s": 9}
    )
    assert answered("anything", rules=[short]) == [0.0]


def taken(number: int, place=lambda _: TRAIN, known=(), asked=(), **options: object) -> list[str]:
    clips = [replace(captured(one), caption="recipe" if one % 2 else "else") for one in range(number)]
    shares = {one.content: float(place % 2) for place, one in enumerate(clips)}
    given = ChooseOptions.model_validate({"per_unit": 99} | options)
    found = take_along(clips, shares, place, set(known), set(asked), given)
    return [one.clip_id for one in found]


def test_the_newest_are_taken_that_rules_answer_about_and_the_data_lack() -> None:
    assert taken(8) == ["c7", "c5", "c3", "c1"]
    assert taken(8, along=2) == ["c7", "c5"]
    assert taken(8, along=0) == []
    assert taken(8, per_unit=1) == ["c7"]
    assert taken(8, known=[content_of(replace(captured(5), caption="recipe"))]) == ["c7", "c3", "c1"]
    assert taken(8, asked=[captured(3).content]) == ["c7", "c5", "c1"]
    assert content_of(replace(captured(5), caption=" \u200b")) == ("m5", ""), "as the table of clips has it"


def test_test_clips_are_left_alone() -> None:
    def place(one) -> Place:
        return replace(TRAIN, split=Split.TEST if one.clip_id == "c5" else Split.VALIDATION)

    assert taken(8, place) == ["c7", "c3", "c1"]
