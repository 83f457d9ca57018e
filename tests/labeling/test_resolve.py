import pandas as pd
import pytest

from cu_pipeline.core.capability import Capabilities
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.labeling.resolve import resolve_capabilities


def _configured(**capabilities: dict[str, object]) -> Capabilities:
    return Capabilities.model_validate(capabilities)


def test_classes_come_sorted_from_the_data(votes) -> None:
    topics = votes(("1", "ann", "pets"), ("2", "bob", "cooking"), ("3", "ann", "pets"))
    safety = votes(("1", "ann", "violence|advert"), ("2", "ann", "none"), capability="safety")
    configured = _configured(topic={"description": "what it is about"}, safety={"kind": "multi"})
    resolved = resolve_capabilities(pd.concat([topics, safety]), configured)
    assert resolved == {
        "active": {
            "topic": {"kind": "single", "classes": ["cooking", "pets"], "description": "what it is about"},
            "safety": {"kind": "multi", "classes": ["advert", "violence"], "description": ""},
        },
        "skipped": {},
    }


def test_configured_classes_keep_their_order(votes) -> None:
    configured = _configured(topic={"classes": ["pets", "cooking", "news"]})
    resolved = resolve_capabilities(votes(("1", "ann", "cooking")), configured)
    assert resolved["active"]["topic"]["classes"] == ["pets", "cooking", "news"]


def test_capabilities_that_cannot_be_learned_are_skipped_with_a_reason(votes, caplog) -> None:
    annotations = pd.concat(
        [
            votes(("1", "ann", "a"), ("2", "ann", "b")),
            votes(("1", "ann", "de"), ("2", "ann", ""), capability="language"),
            votes(("1", "ann", "none"), capability="safety"),
        ]
    )
    configured = _configured(topic={}, language={}, safety={"kind": "multi"}, mood={})
    resolved = resolve_capabilities(annotations, configured)
    assert list(resolved["active"]) == ["topic"]
    assert resolved["skipped"] == {
        "language": "all labels are 'de'; at least two classes are needed",
        "safety": "every label is 'none'; at least one class must occur",
        "mood": "no clip has a human label for it; give some in the feed's column label_mood",
    }
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


def test_a_feed_without_any_label_stops_the_run_in_words(votes) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing to learn from\. topic: no clip has a human label"):
        resolve_capabilities(votes(), _configured(topic={}))
