import csv
import json
import logging
import os
import unicodedata
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import pytest
import yaml
from kedro.io import DataCatalog
from kedro.runner import SequentialRunner

from cu_pipeline.compute.engine import ComputeOptions
from cu_pipeline.core import counters, records
from cu_pipeline.core.capability import Capabilities
from cu_pipeline.core.errors import ConfigurationError, ForeignFeedError, ManifestError
from cu_pipeline.core.hashing import file_sha256, text_sha256
from cu_pipeline.ingest.manifest import read_manifest
from cu_pipeline.ingest.options import FetchOptions
from cu_pipeline.ingest.probing import ProbeLog
from cu_pipeline.media.options import Limits
from cu_pipeline.pipelines.collect.options import CollectOptions
from cu_pipeline.pipelines.collect.pipeline import create_pipeline

REPOSITORY = Path(__file__).parents[3]
DATA = REPOSITORY.parent / "shared" / "data"
CAPABILITIES = Capabilities.model_validate({"topic": {}, "safety": {"kind": "multi"}})


def clip(path: Path, frames: int = 5) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=5)
        stream.width, stream.height = 64, 48
        for number in range(frames):
            image = np.full((48, 64, 3), 20 * number % 256, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(stream.encode(None))
    return path


class Project:
    """A project folder in which collect runs on the catalog that ships."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.options = CollectOptions(manifest="feed.csv")

    def feed(self, *rows: dict[str, str], name: str = "feed.csv") -> None:
        names = list(dict.fromkeys(column for row in rows for column in row))
        with (self.root / name).open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, names)
            writer.writeheader()
            writer.writerows(rows)

    def run(self) -> dict[str, int]:
        entries = yaml.safe_load((REPOSITORY / "conf/base/catalog_collect.yml").read_text(encoding="utf-8"))
        monitored = yaml.safe_load((REPOSITORY / "conf/base/catalog_monitor.yml").read_text(encoding="utf-8"))
        entries["prediction_log"] = monitored["prediction_log"]
        for entry in entries.values():
            entry["filepath"] = str(self.root / entry["filepath"])
        catalog = DataCatalog.from_config(entries)
        for name, value in {
            "collect": self.options,
            "capabilities": CAPABILITIES,
            "compute": ComputeOptions(workers=2),
        }.items():
            catalog[f"params:{name}"] = value
        for name in ("fetch", "limits", "duplicates", "language", "split", "checks"):
            catalog[f"params:collect.{name}"] = getattr(self.options, name)
        counters.reset()
        SequentialRunner().run(create_pipeline(), catalog)
        self.clips, self.annotations, self.rejects = map(catalog.load, ("clips", "feed_annotations", "rejects"))
        return counters.counts()

    def report(self, name: str) -> dict[str, Any]:
        return json.loads((self.root / f"data/08_reporting/{name}.json").read_text(encoding="utf-8"))

    def checks(self) -> dict[str, Any]:
        return json.loads((self.root / "data/02_intermediate/feed_checks.json").read_text(encoding="utf-8"))

    def limit(self, **changes: float) -> None:
        self.options = self.options.model_copy(update={"limits": Limits(**changes)})

    def bytes(self) -> dict[str, bytes]:
        files = (path for path in (self.root / "data").rglob("*") if path.is_file())
        return {str(path): path.read_bytes() for path in files}


@pytest.fixture
def project(tmp_path, monkeypatch) -> Project:
    monkeypatch.setenv("CU_PIPELINE_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


def test_a_mixed_feed_becomes_clips_annotations_and_rejects(project):
    media = project.root / "media"
    good = clip(media / "good.mp4")
    (media / "broken.mp4").write_bytes(good.read_bytes()[:300])
    (media / "empty.mp4").touch()
    project.feed(
        {"clip_id": "b", "path": "media/good.mp4", "text": " hi ", "label": "cats", "annotations": '{"ann": "dogs"}'},
        {"clip_id": "a", "text": "only text", "label_safety": "violence|advert", "views": "7", "creator": "me"},
        {"clip_id": "broken", "path": "media/broken.mp4", "label": "cats"},
        {"clip_id": "empty", "path": "media/empty.mp4"},
        {"clip_id": "absent", "path": "media/absent.mp4"},
        {"clip_id": "a", "text": "again"},
        {"clip_id": "odd", "text": "x", "posted_at": "yesterday"},
        {"text": "unnamed"},
    )
    counts = project.run()
    assert list(project.clips) == list(records.CLIPS)
    unnamed = text_sha256("unnamed")
    assert project.clips["clip_id"].tolist() == sorted(["a", "b", unnamed])
    video = project.clips.set_index("clip_id").loc["b"]
    assert video["path"] == "media/good.mp4"
    assert video["text"] == "hi"
    assert video["media_sha256"] == file_sha256(good)
    assert video["group"] == f"content:{file_sha256(good)}"
    assert (video["duration_s"], video["width"], video["height"], video["codec"]) == (1.0, 64, 48, "h264")
    text = project.clips.set_index("clip_id").loc["a"]
    assert np.isnan(text["duration_s"])
    assert (text["media_sha256"], text["group"]) == ("", "creator:me")
    assert json.loads(text["metadata"]) == {"views": "7"}
    assert project.annotations[["clip_id", "capability", "annotator", "label", "kind"]].to_numpy().tolist() == [
        ["a", "safety", "label", "advert|violence", "human"],
        ["b", "topic", "ann", "dogs", "human"],
        ["b", "topic", "label", "cats", "human"],
    ]
    assert list(project.annotations) == list(records.ANNOTATIONS)
    assert project.rejects[["clip_id", "reason"]].to_numpy().tolist() == [
        ["a", "duplicate_id"],
        ["absent", "missing"],
        ["broken", "truncated"],
        ["empty", "empty"],
        ["odd", "bad_row"],
    ]
    assert counts == {
        "clips_collected": 3,
        "clips_duplicated": 0,
        "clips_hash_cached": 0,
        "clips_hashed": 1,
        "clips_probe_cached": 0,
        "clips_probed": 3,
        "clips_rejected": 5,
        "feedback_left_out": 0,
        "feedback_taken": 0,
        "feedback_unmatched": 0,
    }


def test_a_second_run_probes_nothing_and_writes_the_same_bytes(project):
    clip(project.root / "a.mp4")
    project.feed({"path": "a.mp4", "text": ""}, {"path": "a.mp4", "text": "copy", "clip_id": "copy"})
    assert project.run()["clips_probed"] == 1
    before = project.bytes()
    counts = project.run()
    assert (counts["clips_probed"], counts["clips_probe_cached"]) == (0, 1)
    assert (counts["clips_hashed"], counts["clips_hash_cached"]) == (0, 1)
    assert counts["clips_duplicated"] == 1
    assert project.bytes() == before


def test_only_new_or_changed_files_and_limits_are_probed(project):
    clip(project.root / "a.mp4")
    clip(project.root / "b.mp4", frames=6)
    project.feed({"path": "a.mp4"})
    project.run()
    project.feed({"path": "a.mp4"}, {"path": "b.mp4"})
    assert project.run()["clips_probed"] == 1
    clip(project.root / "a.mp4", frames=7)
    assert project.run()["clips_probed"] == 1
    assert sorted(project.clips["duration_s"]) == pytest.approx([1.2, 1.4])
    os.utime(project.root / "a.mp4", (1, 1))
    assert project.run()["clips_probed"] == 1
    project.limit(max_duration_s=1.3)
    assert project.run()["clips_probed"] == 2
    assert project.rejects["reason"].tolist() == ["too_long"]


def test_a_crash_while_probing_keeps_what_was_probed(project, monkeypatch):
    monkeypatch.setattr("cu_pipeline.ingest.probing.CHUNK", 1)
    for number in range(4):
        clip(project.root / f"{number}.mp4", frames=number + 2)
    project.feed(*({"path": f"{number}.mp4"} for number in range(4)))
    append, appended = ProbeLog.append, []

    def dying(log, found):
        append(log, found)
        appended.extend(found)
        if len(appended) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(ProbeLog, "append", dying)
    with pytest.raises(KeyboardInterrupt):
        project.run()
    monkeypatch.setattr(ProbeLog, "append", append)
    counts = project.run()
    assert (counts["clips_probed"], counts["clips_probe_cached"]) == (1, 3)


def test_a_foreign_feed_changes_no_file_until_it_is_asked_for(project):
    project.feed({"clip_id": "1", "text": "one"}, {"clip_id": "2", "text": "two"})
    project.feed({"clip_id": "1", "text": "quite another"}, name="foreign.csv")
    project.run()
    before, own = project.bytes(), project.options
    project.options = own.model_copy(update={"manifest": ("foreign.csv",)})
    with pytest.raises(ForeignFeedError, match=r"'foreign\.csv' \(1 rows\) shares no clip .* 2 clips of 'feed\.csv'"):
        project.run()
    assert project.bytes() == before
    project.options = own.model_copy(update={"manifest": ("feed.csv", "foreign.csv")})
    project.run()
    assert len(project.clips) == 2
    project.options = CollectOptions(manifest="foreign.csv", replace=True)
    project.run()
    assert project.clips["text"].tolist() == ["quite another"]
    project.options = own
    with pytest.raises(ForeignFeedError):
        project.run()


def test_another_sample_is_refused_before_it_is_rendered_or_the_first_removed(project):
    world = {"clips": 6, "near_duplicates": 0, "broken": 0}
    project.options = CollectOptions(sample=world)
    project.run()
    before = project.bytes()
    planned = pd.read_parquet(project.root / "data/01_raw/manifest.parquet").drop(columns="_source")
    read = read_manifest("data/01_raw/sample/manifest.csv", Limits()).frame()
    pd.testing.assert_frame_equal(planned, read[planned.columns])
    project.options = CollectOptions(sample=world | {"seed": 18})
    with pytest.raises(ForeignFeedError, match="'sample'"):
        project.run()
    assert project.bytes() == before


def test_a_feed_may_replace_tables_that_cannot_be_read(project):
    project.feed({"text": "one"})
    project.run()
    (project.root / "data/02_intermediate/clips.parquet").write_bytes(b"cut off")
    project.feed({"text": "two"})
    project.run()
    assert project.clips["text"].tolist() == ["two"]


def test_a_feed_without_a_usable_clip_says_why_and_lists_it(project):
    project.feed(
        {"clip_id": "1", "path": "a.mp4"}, {"clip_id": "2", "path": "b.mp4"}, {"clip_id": "2", "path": "c.mp4"}
    )
    with pytest.raises(ManifestError, match=r"refused: duplicate_id 1, missing 2\. Remedy"):
        project.run()
    rejects = pd.read_csv(project.root / "data/08_reporting/rejects.csv", dtype=str)
    assert rejects["reason"].tolist() == ["missing", "missing", "duplicate_id"]


def test_labels_of_unknown_capabilities_are_told(project, caplog):
    project.feed({"text": "x", "label_mood": "sad"})
    with caplog.at_level(logging.WARNING, "cu_pipeline"):
        project.run()
    assert "label_mood" in caplog.text
    assert json.loads(project.clips["metadata"][0]) == {"label_mood": "sad"}


def test_thirty_creators_in_two_spellings_are_thirty_units(project):
    spellings = [
        lambda name: unicodedata.normalize("NFD", name),
        lambda name: name.replace(" ", "\u00a0"),
        lambda name: f"\u200b{name} ",
        lambda name: name.replace("&", "&amp;"),
    ]
    rows = []
    for number in range(30):
        name = f"Zoë & Co {number}"
        for part in range(4):
            spelt = spellings[number % len(spellings)](name) if part % 2 else name
            rows.append({"text": f"clip {part} of {number}", "creator": spelt})
    project.feed(*rows)
    project.run()
    assert project.clips["creator"].nunique() == 30
    assert len(project.clips[["creator", "split"]].drop_duplicates()) == 30
    assert project.clips["split"].nunique() == 3


def test_an_unclosed_quote_costs_no_clip(project, caplog):
    lines = [
        f"c{number:02},{chr(34) if number in {9, 21} else ''}caption {number},pets,u{number}" for number in range(40)
    ]
    (project.root / "feed.csv").write_text("\n".join(["clip_id,text,label,creator", *lines]), encoding="utf-8")
    with caplog.at_level(logging.WARNING, "cu_pipeline"):
        project.run()
    assert len(project.clips) == 40
    assert project.clips["text"].tolist()[8:10] == ["caption 8", '"caption 9']
    assert "(lines 11, 23)" in caplog.text


def test_lists_in_a_column_of_labels_are_classes(project):
    labels = [["advert", "violence"], [], ["advert"], ["violence"]]
    rows = [{"text": f"clip {number}", "label_safety": labels[number % 4], "label": ["pets"]} for number in range(48)]
    (project.root / "feed.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    pd.DataFrame(rows).to_parquet(project.root / "feed.parquet")
    for name in ("feed.jsonl", "feed.parquet"):
        project.options = project.options.model_copy(update={"manifest": (name,)})
        project.run()
        counts = project.annotations.groupby(["capability", "label"]).size().to_dict()
        several = {("safety", one): 12 for one in ("advert|violence", "none", "advert", "violence")}
        assert counts == several | {("topic", "pets"): 48}


def test_two_classes_where_one_holds_are_a_refused_row_and_told(project, caplog):
    project.feed({"clip_id": "a", "text": "x", "label": '["pets", "cars"]'}, {"text": "y", "label": '["pets"]'})
    with caplog.at_level(logging.WARNING, "cu_pipeline"):
        project.run()
    assert project.annotations["label"].tolist() == ["pets"]
    assert "names 2 classes where exactly one holds" in project.rejects["detail"][0]
    assert """1 refused: bad_row (a: label '["pets", "cars"]' names 2 classes""" in caplog.text


def test_a_class_in_two_cases_stops_collect(project):
    project.feed(*({"text": f"clip {number}", "label": "Food" if number else "food"} for number in range(5)))
    with pytest.raises(ConfigurationError, match=r"'Food' \(4 times\) and 'food' \(1 times\)"):
        project.run()


def test_one_moment_in_three_forms_divides_alike(project):
    project.options = CollectOptions(manifest="feed.csv", split={"test_from": "2026-03-01"})
    moments = ["2026-03-02T08:00:00Z", "1772438400", "Mon, 02 Mar 2026 08:00:00 GMT", "1767225600"]
    project.feed(*({"clip_id": str(n), "text": f"clip {n}", "posted_at": one} for n, one in enumerate(moments)))
    project.run()
    assert (project.clips["split"] == "test").tolist() == [True, True, True, False]


def test_languages_are_filled_in_and_odd_ones_told(project, caplog):
    german = "Warte bis zum Ende, du glaubst nicht, was passiert ist"
    project.feed(
        {"clip_id": "1", "text": german, "lang": "en_us"},
        {"clip_id": "2", "text": german + "!", "lang": ""},
        {"clip_id": "3", "text": german + "?", "lang": "Deutsch"},
        {"clip_id": "4", "text": "lol", "lang": ""},
    )
    with caplog.at_level(logging.WARNING, "cu_pipeline"):
        project.run()
    assert project.clips["lang"].tolist() == ["en-US", "de", "de", ""]
    assert project.clips["lang_source"].tolist() == ["feed", "identified", "identified", ""]
    assert "1 rows have a `lang` that is no BCP 47 tag, kept as metadata: 'Deutsch' 1" in caplog.text
    checks = project.checks()
    assert checks["languages"] == {"": 1, "de": 2, "en-US": 1}
    assert checks["language_sources"] == {"": 1, "feed": 1, "identified": 2}


def test_splits_that_cannot_be_as_asked_are_told(project, caplog):
    project.feed(*({"text": f"clip {number}", "creator": "ann"} for number in range(60)))
    with caplog.at_level(logging.WARNING, "cu_pipeline"):
        project.run()
    assert [one["name"] for one in project.checks()["large_parts"]] == ["ann"]
    assert "creator 'ann' has 60 of 60 clips, which stay in one split" in caplog.text


def test_clips_posted_since_a_date_are_for_testing_with_their_creators(project):
    project.options = CollectOptions.model_validate({"manifest": "feed.csv", "split": {"test_from": "2026-03-01"}})
    project.feed(
        {"clip_id": "1", "text": "one", "creator": "ann", "posted_at": "2026-02-01"},
        {"clip_id": "2", "text": "two", "creator": "ann", "posted_at": "2026-03-01"},
        *({"clip_id": f"early{number}", "text": f"x{number}", "posted_at": "2026-02-28"} for number in range(40)),
        {"clip_id": "undated", "text": "three"},
    )
    project.run()
    splits = project.clips.set_index("clip_id")["split"]
    assert set(splits[splits == "test"].index) == {"1", "2"}
    assert set(splits) == {"train", "validation", "test"}
    assert project.report("leakage")["creators"]["shared"] == 0


def test_media_behind_addresses_become_clips_and_are_tried_again(project, web):
    film = clip(web.folder / "a.mp4")
    project.options = project.options.model_copy(update={"fetch": FetchOptions(backoff_s=0)})
    project.feed(
        {"clip_id": "1", "path": f"{web.address}/tagged/a.mp4"},
        {"clip_id": "2", "path": f"{web.address}/tagged/later.mp4"},
        {"clip_id": "3", "path": f"{web.address}/broken"},
        {"clip_id": "4", "path": film.as_uri()},
    )
    counts = project.run()
    refused = project.rejects[["clip_id", "path", "reason"]].to_numpy().tolist()
    assert refused == [
        ["2", f"{web.address}/tagged/later.mp4", "missing"],
        ["3", f"{web.address}/broken", "unreachable"],
    ]
    assert project.clips["clip_id"].tolist() == ["1", "4"]
    first = project.clips.iloc[0]
    assert first["path"] == f"data/01_raw/media/{first['media_sha256'][:2]}/{first['media_sha256']}.mp4"
    assert json.loads(first["metadata"]) == {"media_address": f"{web.address}/tagged/a.mp4"}
    assert (counts["media_fetched"], counts["media_fetch_failed"]) == (1, 2)

    clip(web.folder / "later.mp4", frames=7)
    counts = project.run()
    assert project.clips["clip_id"].tolist() == ["1", "2", "4"]
    assert (counts["media_fetched"], counts["media_fetch_cached"], counts["clips_probed"]) == (1, 1, 1)


@pytest.mark.skipif(not DATA.is_dir(), reason="the data sets are not here")
@pytest.mark.parametrize(
    ("name", "clips", "annotations"),
    [("youtube_trending", 2364, 2364), ("hs_brexit", 1120, 7840), ("exercises", 262, 262), ("malformed", 76, 0)],
)
def test_real_feeds_are_collected_without_leaks(project, name, clips, annotations):
    project.options = CollectOptions(manifest=str(DATA / name / "manifest.csv"))
    project.limit(max_duration_s=20_000)
    project.run()
    assert len(project.clips) == clips
    assert len(project.annotations) == annotations
    leakage = json.loads((project.root / "data/08_reporting/leakage.json").read_text(encoding="utf-8"))
    shared = {kind: leakage[kind]["shared"] for kind in ("creators", "duplicate_groups", "captions")}
    assert shared == {"creators": 0, "duplicate_groups": 0, "captions": 0}
    assert set(project.clips["split"]) == {"train", "validation", "test"}
    total = pd.read_csv(DATA / name / "manifest.csv")
    assert len(project.clips) + len(project.rejects) == len(total)


def test_parameters_that_ship_are_valid():
    shipped = yaml.safe_load((REPOSITORY / "conf/base/parameters_collect.yml").read_text(encoding="utf-8"))["collect"]
    shipped["sample"].pop("seed")
    assert CollectOptions.model_validate(shipped) == CollectOptions()


def film(path: Path, seed: int, size: int = 216) -> Path:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (10, 18, 18, 1), dtype=np.uint8).repeat(3, axis=3)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=5)
        stream.width = stream.height = size
        for blocks in coarse:
            image = np.ascontiguousarray(np.kron(blocks, np.ones((12, 12, 1), np.uint8)))
            frame = av.VideoFrame.from_ndarray(image).reformat(size, size, interpolation="BILINEAR")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_a_copy_that_comes_later_joins_the_split_of_the_first_and_only_it_is_hashed(project):
    first = [{"clip_id": str(number), "path": f"{number}.mp4", "creator": f"c{number}"} for number in range(6)]
    for number in range(6):
        film(project.root / f"{number}.mp4", seed=number)
    project.feed(*first)
    assert project.run()["clips_hashed"] == 6
    before = project.clips.set_index("clip_id")["split"]
    later = [{"clip_id": f"copy{number}", "path": f"copy{number}.mp4", "creator": f"z{number}"} for number in range(6)]
    for number in range(6):
        film(project.root / f"copy{number}.mp4", seed=number, size=180)
    project.feed(*first, *later)
    counts = project.run()
    assert (counts["clips_hashed"], counts["clips_hash_cached"], counts["clips_duplicated"]) == (6, 6, 6)
    after = project.clips.set_index("clip_id")
    for number in range(6):
        assert after.loc[f"copy{number}", "split"] == after.loc[str(number), "split"] == before[str(number)]
        assert after.loc[f"copy{number}", "group"] == after.loc[str(number), "group"]
