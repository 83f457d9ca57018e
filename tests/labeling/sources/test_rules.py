from pathlib import Path

import pandas as pd
import pytest
from pydantic import TypeAdapter, ValidationError

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.labeling.sources.rules import AnyRule, annotate_by_rules, load_rules, rules_in_use
from cu_pipeline.labeling.sources.rules import rule as function

CAPABILITIES = {
    "topic": Capability(classes=("cooking", "pets", "sport")),
    "safety": Capability(kind=Kind.MULTI, classes=("advert", "violence")),
}


def _rule(kind: str, **values: object) -> AnyRule:
    given = {"name": kind, "kind": kind, "capability": "topic", "label": "cooking"} | values
    return TypeAdapter(AnyRule).validate_python(given)


@pytest.fixture
def feed(clips) -> pd.DataFrame:
    found = clips({"1": "My RECIPE, quick", "2": "recipes of mine", "3": "a cat #recipe!", "4": ""})
    return found.assign(duration_s=[5.0, 60.0, 90.0, float("nan")], creator=["ann", "bob", "", "ann"])


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        (_rule("keywords", words=["recipe"]), ["1", "3"]),
        (_rule("keywords", words=["c++", "#recipe"]), ["3"]),
        (_rule("regex", pattern=r"(?i)recipes?\b.*mine"), ["2"]),
        (_rule("duration", at_least_s=60), ["2", "3"]),
        (_rule("duration", at_most_s=60), ["1", "2"]),
        (_rule("creators", creators=["ann"]), ["1", "4"]),
    ],
)
def test_each_kind_of_rule_finds_its_clips(rule, found, feed) -> None:
    annotations = annotate_by_rules([rule], lambda _: feed, CAPABILITIES, ())
    assert annotations["clip_id"].tolist() == found
    assert set(annotations["kind"]) <= {"rule"}
    assert annotations["probabilities"].iloc[0] == '{"cooking": 0.8, "pets": 0.1, "sport": 0.1}'


def test_creators_and_classes_of_rules_are_spelt_as_the_feeds_are(feed) -> None:
    feed = feed.assign(creator=["Zoë B", "bob", "", "Zoë B"])
    capabilities = {"topic": Capability(classes=("Café", "pets"))}
    rule = _rule("creators", creators=["Zoe\u0308\u00a0B\u200b"], label="Cafe\u0301 ")
    annotations = annotate_by_rules([rule], lambda _: feed, capabilities, ())
    assert annotations[["clip_id", "label"]].to_numpy().tolist() == [["1", "Café"], ["4", "Café"]]


def test_a_multi_label_rule_gives_the_whole_answer(feed) -> None:
    rule = _rule("creators", creators=["bob"], capability="safety", label="violence|advert", probability=0.9)
    (row,) = annotate_by_rules([rule], lambda _: feed, CAPABILITIES, ()).to_dict("records")
    assert (row["label"], row["probability"]) == ("advert|violence", 0.81)
    rule = _rule("creators", creators=["bob"], capability="safety", label="none")
    assert annotate_by_rules([rule], lambda _: feed, CAPABILITIES, ())["label"].tolist() == ["none"]


def test_versions_follow_the_rule_and_skipped_capabilities_are_not_asked(feed) -> None:
    assert _rule("keywords", words=["a"]).version != _rule("keywords", words=["b"]).version
    assert annotate_by_rules([_rule("duration", capability="mood")], lambda _: feed, CAPABILITIES, ["mood"]).empty


def test_all_unusable_rules_are_named_at_once(feed) -> None:
    rules = [_rule("duration", label="news"), _rule("duration", capability="topics"), _rule("creators", creators=["x"])]
    with pytest.raises(ConfigurationError) as raised:
        annotate_by_rules(rules, lambda _: feed, CAPABILITIES, ())
    text = str(raised.value)
    assert "several rules are called 'duration'" in text
    assert "'topics' is not configured; allowed: safety, topic" in text
    assert "'news', which is no class of capability 'topic'; allowed: cooking, pets, sport" in text


@pytest.mark.parametrize(
    "values", [{"pattern": "("}, {"pattern": "a", "word": "b"}, {"pattern": "a", "probability": 1}]
)
def test_misspelt_rules_are_refused(values) -> None:
    with pytest.raises(ValidationError):
        _rule("regex", **values)


@pytest.mark.parametrize("module", ["sources.rules", "rules.function"])
def test_functions_of_a_file_are_rules_also_by_their_former_import(tmp_path: Path, feed, module: str) -> None:
    file = tmp_path / "rules.py"
    file.write_text(
        f"from cu_pipeline.labeling.{module} import rule\n"
        "@rule('topic', probability=0.7)\n"
        "def cats(clip):\n"
        "    return 'pets' if 'cat' in clip['text'] else None\n"
        "def helper(clip):\n    return 'sport'\n"
    )
    (cats,) = load_rules(file)
    annotations = annotate_by_rules([cats], lambda _: feed, CAPABILITIES, ())
    assert annotations[["clip_id", "annotator", "label"]].to_numpy().tolist() == [["3", "cats", "pets"]]
    before = cats.version
    file.write_text(file.read_text().replace("'sport'", "'cooking'"))
    assert load_rules(file)[0].version != before
    assert load_rules(tmp_path / "absent.py") == []


def test_a_function_that_fails_is_named_with_its_clip(tmp_path: Path, feed) -> None:
    file = tmp_path / "rules.py"
    file.write_text(
        "from cu_pipeline.labeling.sources.rules import rule\n"
        "@rule('topic')\ndef broken(clip):\n    return clip['nothing']\n"
    )
    with pytest.raises(ConfigurationError, match="rule 'broken' failed on clip '1': KeyError: 'nothing'"):
        annotate_by_rules(load_rules(file), lambda _: feed, CAPABILITIES, ())
    file.write_text("import nothing_like_this")
    with pytest.raises(ConfigurationError, match="cannot be loaded: ModuleNotFoundError"):
        load_rules(file)


def test_a_rule_of_a_feed_speaks_of_its_clips_alone_and_is_no_part_of_other_projects(feed) -> None:
    mine = _rule("keywords", words=["recipe"], feeds=["sample"])
    others = _rule("regex", pattern="mine")
    feed = feed.assign(feed=["sample", "sample", "own.csv", "own.csv"])
    assert rules_in_use([mine, others], feed, CAPABILITIES) == [mine, others]
    assert annotate_by_rules([mine], lambda _: feed, CAPABILITIES, ())["clip_id"].tolist() == ["1"]
    assert rules_in_use([mine, others], feed.assign(feed="own.csv"), CAPABILITIES) == [others]


@pytest.mark.parametrize("given", [{"label": "travel"}, {"capability": "genre"}])
def test_a_rule_of_a_feed_waits_until_there_is_its_class(given, feed) -> None:
    rule = _rule("keywords", words=["recipe"], feeds=["sample"], **given)
    assert rules_in_use([rule], feed.assign(feed="sample"), CAPABILITIES) == []


def test_a_rule_without_feeds_has_the_version_that_it_had_before_there_were_any() -> None:
    plain = _rule("keywords", words=["recipe"])
    assert plain.version == "a4c243f44f69"
    assert _rule("keywords", words=["recipe"], feeds=["sample"]).version != plain.version


def test_what_the_service_saw_counts_as_of_the_only_other_feed(feed) -> None:
    rule = _rule("keywords", words=["recipe"], feeds=["clips.csv"])
    feed = feed.assign(feed=["clips.csv", "served", "served", "served"])
    assert _asked(rule, feed, ["clips.csv", "served"]) == ["1", "3"]
    assert _asked(rule, feed, ["clips.csv", "b", "served"]) == ["1"]
    assert _asked(rule, feed, ["served"]) == ["1"]


def test_rules_that_name_what_the_service_saw_and_functions_see_it_as_that(feed) -> None:
    feed = feed.assign(feed=["clips.csv", "served", "served", "served"])
    named = _rule("keywords", words=["recipe"], feeds=["served"])
    assert _asked(named, feed, ["clips.csv", "served"]) == ["3"]
    both = _rule("keywords", words=["recipe"], feeds=["clips.csv", "served"])
    assert _asked(both, feed, ["clips.csv", "served"]) == ["1", "3"]

    @function("topic")
    def served(clip):
        return "cooking" if clip["feed"] == "served" else None

    assert _asked(served, feed, ["clips.csv", "served"]) == ["2", "3", "4"]


def _asked(rule, feed, feeds) -> list[str]:
    return annotate_by_rules([rule], lambda _: feed, CAPABILITIES, (), feeds)["clip_id"].tolist()
