"""What people's answers say about the clips that a capability applies to."""

import json
import logging

import pandas as pd
import pytest

from cu_pipeline.core.capability import Capabilities
from cu_pipeline.core.records import CLIPS, table
from cu_pipeline.labeling.resolve import resolve_capabilities
from cu_pipeline.labeling.scope import divide_opinions, tell_scopes


@pytest.fixture
def clips() -> pd.DataFrame:
    """Give ten videos, v0 to v9, and ten texts, t0 to t9, of two feeds; v0 and v1 are the same clip."""
    rows = [
        {"clip_id": f"{kind}{n}", "feed": feed, "has_audio": False, "bytes": 1, "lang": "en"}
        | {"media_sha256": f"m{max(n, 1)}" if kind == "v" else "", "text_sha256": f"{kind}{max(n, 1)}"}
        | {"metadata": json.dumps({"week": str(n)})}
        for kind, feed in (("v", "videos.csv"), ("t", "texts.csv"))
        for n in range(10)
    ]
    return table(rows, CLIPS)


def configured(**topic: object) -> Capabilities:
    return Capabilities.model_validate({"topic": {"classes": ["a", "b"], **topic}})


def test_without_scope_and_such_answers_nothing_changes(votes, clips) -> None:
    said = votes(("v1", "label", "a"), ("t1", "ann", "b"))
    found = divide_opinions(said, clips, configured())
    pd.testing.assert_frame_equal(found.used, said)
    assert found.apart.empty
    assert (found.applicability.inapplicable, found.report) == ({}, {})


def test_labels_outside_the_scope_are_set_aside_and_counted(votes, clips, caplog) -> None:
    said = votes(("v1", "label", "a"), ("t1", "label", "b"), ("t2", "ann", "b"))
    found = divide_opinions(said, clips, configured(scope={"feeds": ["videos.csv"]}))
    assert found.used["clip_id"].tolist() == ["v1"]
    assert found.apart["clip_id"].tolist() == ["t1", "t2"]
    with caplog.at_level(logging.INFO):
        tell_scopes(found.report)
    assert "topic applies to 10 of 20 clips (feeds: videos.csv)" in caplog.text
    assert (
        "topic: 2 labels of people are on clips outside its scope (feeds: videos.csv) and are not used" in caplog.text
    )


@pytest.mark.parametrize(
    ("answers", "outside"),
    [
        ([("v2", "ann", "not_applicable")], True),
        ([("v2", "ann", "not_applicable"), ("v2", "bob", "a")], False),
        ([("v2", "ann", "not_applicable"), ("v2", "bob", "a"), ("v2", "cy", "not_applicable")], True),
        ([("v2", "ann", "not_applicable"), ("v2", "label", "a")], False),
        ([("v2", "ann", "a"), ("v2", "bob", "a"), ("v2", "label", "not_applicable")], True),
    ],
)
def test_most_people_decide_and_the_feed_goes_before_them(votes, clips, answers, outside) -> None:
    found = divide_opinions(votes(*answers), clips, configured())
    assert found.applicability.inapplicable == ({"topic": ("v2",)} if outside else {})
    assert "not_applicable" not in set(found.used["label"])
    assert len(found.used) == (0 if outside else sum(label == "a" for _, _, label in answers))
    assert len(found.used) + len(found.apart) == len(answers)


def test_copies_are_judged_as_one(votes, clips) -> None:
    found = divide_opinions(votes(("v1", "ann", "not_applicable")), clips, configured())
    assert found.applicability.inapplicable == {"topic": ("v0", "v1")}


def test_the_advice_names_the_part_of_scope_that_tells_best(votes, clips) -> None:
    foreign = [(f"t{n}", "ann", "not_applicable") for n in range(2, 9)] + [("t9", "ann", "a")]
    fitting = [(f"v{n}", "ann", "a") for n in range(2, 9)] + [("v9", "ann", "not_applicable")]
    (one,) = divide_opinions(votes(*foreign, *fitting), clips, configured()).report.values()
    assert (one["not_applicable"], one["judged"], one["clips"]) == (8, 16, 12)
    assert one["advice"] == (
        "topic: people said 'not_applicable' of 7 of 8 clips of feed texts.csv: set "
        "capabilities.topic.scope.feeds: [videos.csv]"
    )


def test_advice_within_one_feed_looks_at_what_clips_are(votes, clips) -> None:
    clips = clips.assign(feed="all.csv")
    foreign = [(f"t{n}", "ann", "not_applicable") for n in range(2, 9)]
    fitting = [(f"v{n}", "ann", "a") for n in range(2, 9)]
    (one,) = divide_opinions(votes(*foreign, *fitting), clips, configured()).report.values()
    assert one["advice"].endswith("of 7 of 7 clips without video: set capabilities.topic.scope.modalities: [video]")


def test_advice_says_so_where_nothing_tells(votes, clips) -> None:
    said = votes(*((f"v{n}", "ann", "not_applicable" if n == 5 else "a") for n in range(2, 9)))
    (one,) = divide_opinions(said, clips.drop(columns="metadata").assign(metadata="{}"), configured()).report.values()
    assert one["advice"].startswith("topic: people said 'not_applicable' of 1 of 7 clips; neither feed")


def test_a_capability_whose_scope_holds_no_clip_is_skipped_and_says_what_there_is(votes, clips) -> None:
    capabilities = Capabilities.model_validate(
        {"topic": {"classes": ["a", "b"], "scope": {"feeds": "video.csv"}}, "other": {"classes": ["a", "b"]}}
    )
    found = divide_opinions(votes(), clips, capabilities)
    resolved = resolve_capabilities(found.used, capabilities, found.applicability)
    assert resolved.skipped["topic"] == (
        "no clip is inside its scope: it asks for feeds: video.csv; there are videos.csv (10), texts.csv (10)"
    )
    assert list(resolved.active) == ["other"]
