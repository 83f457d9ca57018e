"""Which clips a capability applies to."""

import json

import pandas as pd
import pytest
from pydantic import ValidationError

from cu_pipeline.core.capability import Capabilities, Capability
from cu_pipeline.core.records import CLIPS, table
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.core.scope import Scope, feed_name, request_facts


def clips(*rows: dict[str, object]) -> pd.DataFrame:
    usual = {"media_sha256": "m", "text_sha256": "t", "lang": "en", "metadata": "{}", "feed": "videos.csv"}
    facts = {"has_audio": False, "bytes": 1}
    return table([{"clip_id": f"c{place}"} | usual | facts | row for place, row in enumerate(rows)], CLIPS)


FEED = clips(
    {},
    {"media_sha256": "", "feed": "texts.csv"},
    {"text_sha256": "", "lang": ""},
    {"lang": "de-AT", "metadata": json.dumps({"platform": "tube", "year": "2026"})},
)


@pytest.mark.parametrize(
    ("scope", "inside"),
    [
        ({}, ["c0", "c1", "c2", "c3"]),
        ({"feeds": ["videos.csv"]}, ["c0", "c2", "c3"]),
        ({"feeds": "./videos.csv"}, ["c0", "c2", "c3"]),
        ({"modalities": ["video"]}, ["c0", "c2", "c3"]),
        ({"modalities": ["video", "text"]}, ["c0", "c3"]),
        ({"languages": ["de"]}, ["c3"]),
        ({"languages": ["en", "und"]}, ["c0", "c1", "c2"]),
        ({"metadata": {"year": [2026]}}, ["c3"]),
        ({"metadata": {"platform": ["tube", ""]}, "languages": "en"}, ["c0", "c1"]),
        ({"feeds": ["others.csv"]}, []),
    ],
)
def test_a_clip_is_inside_where_all_parts_hold(scope: dict[str, object], inside: list[str]) -> None:
    limits = Scope.model_validate(scope)
    assert limits.within(FEED)["clip_id"].tolist() == inside
    assert limits.is_limited == bool(scope)


def test_a_request_is_decided_as_the_same_clip_in_a_table() -> None:
    scopes = [
        {"feeds": ["videos.csv"]},
        {"modalities": ["text"]},
        {"languages": ["de"]},
        {"metadata": {"year": ["2026"]}},
    ]
    for given in scopes:
        scope = Scope.model_validate(given)
        for row, missed in zip(FEED.to_dict("records"), scope.missed(FEED), strict=True):
            told = request_facts(has_video=bool(row["media_sha256"]), has_text=bool(row["text_sha256"]))
            told |= {"feed": row["feed"], "lang": row["lang"]}
            told |= {"metadata.year": json.loads(row["metadata"]).get("year", "")}
            assert bool(scope.refusal(told)) == bool(missed)


def test_what_a_request_does_not_tell_cannot_exclude_it() -> None:
    scope = Scope.model_validate({"feeds": ["videos.csv"], "metadata": {"year": [2026]}, "modalities": ["video"]})
    told = request_facts(has_video=True, has_text=False)
    assert scope.refusal(told) == ""
    assert scope.refusal(told | {"feed": "texts.csv"}) == "it applies to feeds: videos.csv, not texts.csv"
    assert scope.refusal(request_facts(has_video=False, has_text=True)) == "it applies to clips with video"


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        ({"modalities": ["audio"]}, "'video' or 'text'"),
        ({"languages": ["English (UK)"]}, "no BCP 47 tag"),
        ({"feed": ["a.csv"]}, "Extra inputs"),
    ],
)
def test_what_is_no_scope_is_refused_in_words(scope: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Scope.model_validate(scope)


def test_norwegian_is_a_language_also_where_yaml_reads_it_as_false() -> None:
    assert Scope.model_validate({"languages": [False, "sv"]}).languages == ("no", "sv")


def test_a_feed_has_one_name_however_its_place_is_written(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("CU_PIPELINE_ROOT", str(tmp_path))
    assert feed_name(str(tmp_path / "feeds" / "a.csv")) == feed_name("feeds/./a.csv") == "feeds/a.csv"
    assert feed_name(f"folder:{tmp_path}/clips") == "folder:clips"
    assert feed_name("sql:postgresql://me:{PW}@host/db#clips") == "sql:postgresql://me:{PW}@host/db#clips"
    assert feed_name("/elsewhere/a.csv") == "/elsewhere/a.csv"


def test_a_capability_without_a_scope_is_written_as_before_there_were_scopes() -> None:
    plain = Capability(classes=("a", "b"))
    assert "scope" not in plain.model_dump()
    assert "scope" not in plain.model_dump_json()
    limited = plain.model_copy(update={"scope": Scope(languages=("de",))})
    assert Capability.model_validate_json(limited.model_dump_json()) == limited


def test_the_word_not_applicable_is_no_class() -> None:
    with pytest.raises(ValidationError, match="cannot be used"):
        Capabilities.model_validate({"topic": {"classes": ["a", "Not_Applicable"]}})


def test_what_people_call_not_applicable_is_left_out_too_and_survives_a_file() -> None:
    scoped = Capability(scope=Scope(modalities=("video",)))
    resolved = ResolvedCapabilities({"topic": scoped, "other": Capability()}, inapplicable={"topic": ("c2",)})
    read = ResolvedCapabilities.from_json(json.loads(json.dumps(resolved.as_json())))
    assert read == resolved
    assert read.clips_of("topic", FEED)["clip_id"].tolist() == ["c0", "c3"]
    assert read.clips_of("other", FEED) is FEED
