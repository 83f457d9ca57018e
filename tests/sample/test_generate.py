import csv
import json
from pathlib import Path

import av
import pytest

from cu_pipeline.compute.worker_pool import LocalMapper
from cu_pipeline.core import counters
from cu_pipeline.core.errors import BadClipError, Reason
from cu_pipeline.media.options import Limits
from cu_pipeline.media.probe import probe
from cu_pipeline.sample.clip_plans import plan_world
from cu_pipeline.sample.generate import generate
from cu_pipeline.sample.options import SampleOptions
from cu_pipeline.sample.render import render

OPTIONS = SampleOptions(clips=14, near_duplicates=0.5)
COLUMNS = [
    "clip_id",
    "path",
    "text",
    "label",
    "label_safety",
    "creator",
    "posted_at",
    "lang",
    "annotations",
    "annotations_safety",
    "annotation_draw",
]


def rows(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def rendered(folder, options=OPTIONS):
    counters.reset()
    generate(folder, options, LocalMapper(2))
    return counters.counts()["clips_rendered"]


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    assert generate(folder, OPTIONS, LocalMapper(2)) == folder / "manifest.csv"
    return folder


@pytest.fixture
def copy(world, tmp_path):
    (tmp_path / "media").mkdir()
    for name, data in contents(world).items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def test_manifest_has_the_columns_that_users_bring(world):
    manifest = rows(world / "manifest.csv")
    assert list(manifest[0]) == COLUMNS
    assert len(manifest) == 14 + 7 + 6
    opinions = [json.loads(row["annotations"]) for row in manifest if row["annotations"]]
    assert opinions
    assert all(isinstance(labels, dict) for labels in opinions)


def test_truth_has_a_row_for_each_row_of_the_manifest(world):
    manifest, truth = rows(world / "manifest.csv"), rows(world / "truth.csv")
    assert [row["clip_id"] for row in manifest] == [row["clip_id"] for row in truth]
    assert len({row["alteration"] for row in truth if row["near_duplicate_of"]}) == 7


def test_usable_clips_are_short_portrait_h264_with_aac(world):
    for row, truth in zip(rows(world / "manifest.csv"), rows(world / "truth.csv"), strict=True):
        if truth["expected_reason"]:
            continue
        with av.open(str(world / row["path"])) as container:
            video, (audio,) = container.streams.video[0], container.streams.audio
            assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
            assert video.height > 1.7 * video.width
            seconds = float(video.duration * video.time_base)
            assert 2 - (truth["alteration"] == "trimmed") <= seconds <= 5
            assert float(audio.duration * audio.time_base) == pytest.approx(seconds, abs=0.2)
            assert len(list(container.decode(video=0))) == round(seconds * 12)


def test_broken_rows_are_refused_for_the_recorded_reason(world):
    seen = {}
    for row, truth in zip(rows(world / "manifest.csv"), rows(world / "truth.csv"), strict=True):
        reason = truth["expected_reason"]
        if reason in {"", Reason.DUPLICATE_ID}:
            probe(world / row["path"], Limits())
        else:
            with pytest.raises(BadClipError) as refusal:
                probe(world / row["path"], Limits())
            seen[reason] = refusal.value.reason
    assert seen == {reason: Reason(reason) for reason in ("empty", "truncated", "not_media", "no_video", "missing")}


def test_recaptioned_copy_has_the_bytes_of_its_original(world):
    paths = {row["clip_id"]: world / row["path"] for row in rows(world / "manifest.csv")}
    truth = [row for row in rows(world / "truth.csv") if row["near_duplicate_of"]]
    same = {
        row["alteration"]: paths[row["clip_id"]].read_bytes() == paths[row["near_duplicate_of"]].read_bytes()
        for row in truth
    }
    assert [kind for kind, equal in same.items() if equal] == ["recaptioned"]


def test_rendering_again_elsewhere_gives_the_same_bytes(world, tmp_path):
    plans = [plan for plan in plan_world(OPTIONS) if not plan.expected_reason]
    for plan in (plans[0], plans[1], plans[-1]):
        render((plan.shot, tmp_path / "again.mp4"))
        assert (tmp_path / "again.mp4").read_bytes() == (world / plan.path).read_bytes()


def test_finished_world_is_left_alone(copy):
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*")}
    assert rendered(copy) == 0
    assert {path: path.stat().st_mtime_ns for path in copy.rglob("*")} == before


def test_interrupted_world_is_completed_to_the_same_bytes(world, copy):
    for row in rows(copy / "manifest.csv")[:3]:
        (copy / row["path"]).unlink()
    (copy / "manifest.csv").unlink()
    name = Path(rows(copy / "truth.csv")[0]["clip_id"] + "-0123456789ab.mp4").name
    (copy / "media" / f".{name}.x1.tmp").write_bytes(b"half")
    assert rendered(copy) == 3
    assert contents(copy) == contents(world)


def test_other_options_render_what_differs_and_remove_what_is_not_needed(copy):
    (copy / "media" / "holiday.mp4").write_bytes(b"not ours")
    fewer = OPTIONS.model_copy(update={"clips": 12, "near_duplicates": 0.0, "broken": 0})
    assert rendered(copy, fewer) == 0
    expected = {row["path"].removeprefix("media/") for row in rows(copy / "manifest.csv")}
    assert {path.name for path in (copy / "media").iterdir()} == expected | {"holiday.mp4"}
    assert rendered(copy, fewer.model_copy(update={"clips": 13})) == 1


def test_clips_that_are_left_out_are_neither_listed_nor_named_by_others(copy):
    truth = rows(copy / "truth.csv")
    gone = next(row["near_duplicate_of"] for row in truth if row["near_duplicate_of"])
    generate(copy, OPTIONS, LocalMapper(2), lambda clip, _: clip == gone)
    assert len(rows(copy / "manifest.csv")) == len(truth) - 1
    assert not any(gone in name or gone.encode() in data for name, data in contents(copy).items())
