import json

import pandas as pd
import pytest

from cu_pipeline.core.capability import Capabilities
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.labeling.resolve import resolve_capabilities


def _remedy(name: str) -> str:
    return f"Name the classes in capabilities.{name}.classes, and machines and people are asked about them"


def _configured(**capabilities: dict[str, object]) -> Capabilities:
    return Capabilities.model_validate(capabilities)


def test_classes_come_sorted_from_the_data(votes) -> None:
    topics = votes(("1", "ann", "pets"), ("2", "bob", "cooking"), ("3", "ann", "pets"))
    safety = votes(("1", "ann", "violence|advert"), ("2", "ann", "none"), capability="safety")
    configured = _configured(
        topic={"description": "what it is about", "class_descriptions": {}}, safety={"kind": "multi"}
    )
    resolved = resolve_capabilities(pd.concat([topics, safety]), configured)
    assert resolved.as_json() == {
        "active": {
            "topic": {
                "kind": "single",
                "classes": ["cooking", "pets"],
                "description": "what it is about",
                "class_descriptions": {},
            },
            "safety": {"kind": "multi", "classes": ["advert", "violence"], "description": "", "class_descriptions": {}},
        },
        "waiting": {},
        "skipped": {},
    }
    assert ResolvedCapabilities.from_json(json.loads(json.dumps(resolved.as_json()))) == resolved


def test_configured_classes_keep_their_order(votes) -> None:
    configured = _configured(topic={"classes": ["pets", "cooking", "news"]})
    resolved = resolve_capabilities(votes(("1", "ann", "cooking")), configured)
    assert resolved.active["topic"].classes == ("pets", "cooking", "news")


def test_capabilities_that_cannot_be_learned_are_skipped_with_a_reason(votes, caplog) -> None:
    annotations = pd.concat(
        [
            votes(("1", "ann", "a"), ("2", "ann", "b")),
            votes(("1", "ann", "de"), ("2", "ann", ""), capability="language"),
            votes(("1", "ann", "none"), capability="safety"),
        ]
    )
    configured = _configured(topic={}, language={}, safety={"kind": "multi"}, mood={}, pace={"classes": ["slow"]})
    resolved = resolve_capabilities(annotations, configured)
    assert list(resolved.active) == ["topic"]
    assert resolved.skipped == {
        "language": f"its only class is 'de'; at least two are needed. {_remedy('language')}",
        "safety": f"every label is 'none'; at least one class must occur. {_remedy('safety')}",
        "mood": f"no person has labelled it and its classes are not known. {_remedy('mood')}; or give labels in "
        "label_mood",
        "pace": f"its only class is 'slow'; at least two are needed. {_remedy('pace')}",
    }
    assert resolved.waiting == {}
    assert "capability mood is skipped" in caplog.text


def test_labels_outside_the_configured_classes_are_all_listed(votes) -> None:
    annotations = pd.concat(
        [
            votes(("1", "ann", "Cooking"), ("2", "ann", "Cooking"), ("3", "ann", "pets")),
            votes(("1", "ann", "fire|advert"), capability="safety"),
        ]
    )
    configured = _configured(
        topic={"classes": ["cooking", "pets"]}, safety={"kind": "multi", "classes": ["advert", "violence"]}
    )
    with pytest.raises(ConfigurationError) as caught:
        resolve_capabilities(annotations, configured)
    topic, safety = caught.value.problems
    assert "'Cooking' (2 times)" in topic
    assert "Classes: cooking, pets." in topic
    assert "capabilities.topic.classes" in topic
    assert "'fire' (1 times)" in safety


def test_without_labels_and_classes_the_run_stops_and_names_the_remedy(votes) -> None:
    remedy = r"nothing to learn from\. topic: .* Name the classes in capabilities\.topic\.classes"
    with pytest.raises(ConfigurationError, match=remedy):
        resolve_capabilities(votes(), _configured(topic={}))


def test_a_capability_with_classes_is_labelled_without_any_label_by_a_person(votes, caplog) -> None:
    configured = _configured(topic={"classes": ["a", "b"]}, safety={"kind": "multi", "classes": ["advert"]}, mood={})
    resolved = resolve_capabilities(votes(), configured)
    assert list(resolved.active) == ["topic", "safety"]
    assert resolved.waiting == dict.fromkeys(["topic", "safety"], "no person has labelled it yet")
    assert resolved.trained == {}
    assert list(resolved.skipped) == ["mood"]
    assert "capability topic is labelled but not trained: no person has labelled it yet" in caplog.text


def test_labels_of_one_class_teach_nothing_yet(votes) -> None:
    annotations = pd.concat(
        [
            votes(("1", "ann", "a"), ("2", "ann", "a")),
            votes(("1", "ann", "none"), capability="safety"),
            votes(("1", "ann", "x"), ("2", "ann", "y"), capability="mood"),
        ]
    )
    configured = _configured(
        topic={"classes": ["a", "b"]}, safety={"kind": "multi", "classes": ["advert"]}, mood={"classes": ["x", "y"]}
    )
    resolved = resolve_capabilities(annotations, configured)
    assert resolved.waiting == {
        "topic": "people have named no class but 'a' yet",
        "safety": "people have said nothing but 'none' yet",
    }
    assert list(resolved.trained) == ["mood"]


def test_descriptions_of_classes_that_no_label_has_are_named(votes, caplog) -> None:
    topics = votes(("1", "ann", "pets"), ("2", "ann", "cars"))
    described = {"pets": "animals at home", "dogs": "pets that bark"}
    resolved = resolve_capabilities(topics, _configured(topic={"class_descriptions": described}))
    assert resolved.active["topic"].class_descriptions == {"pets": "animals at home"}
    assert "class_descriptions name 'dogs', which no label has; classes are cars, pets" in caplog.text
