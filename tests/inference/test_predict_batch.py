"""Answers about many clips, by real small extractors: what is known is kept, what is new is computed once."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from cu_pipeline.compute.worker_pool import LocalMapper
from cu_pipeline.core import counters
from cu_pipeline.core.errors import BundleError
from cu_pipeline.core.hashing import text_sha256
from cu_pipeline.core.records import REJECTS, table
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.inference.batch import BATCH, predict_batch
from cu_pipeline.inference.predictor import Predictor
from cu_pipeline.media.options import Limits

NOTHING = table([], BATCH)


@pytest.fixture
def feed(tmp_path, write_clip):
    """Give a clip with a video, one with a caption alone, and one whose file is no video."""
    video, broken = write_clip(tmp_path / "a.mp4"), tmp_path / "b.mp4"
    broken.write_bytes(b"no video")
    rows = [("z", "a stew", video), ("a", "a goal", None), ("m", "broken", broken)]
    return pd.DataFrame(
        [
            {"clip_id": name, "path": str(path or ""), "text": text, "text_sha256": text_sha256(text)}
            | {"media_sha256": hashlib.sha256(path.read_bytes()).hexdigest() if path else ""}
            for name, text, path in rows
        ]
    )


@pytest.fixture
def ask(tmp_path):
    """Give a function that asks about clips, and what it counted."""

    def call(clips, champions, known=NOTHING):
        counters.reset()
        store = FeatureStore(tmp_path / "features")
        answers = predict_batch(clips, champions, known, store, Limits(), LocalMapper(1))
        return answers, counters.counts()

    return call


def test_every_champion_answers_about_every_clip_as_the_service_does(feed, bundles, ask):
    answers, _ = ask(feed, bundles)
    rows = answers.rows
    assert rows.columns.tolist() == list(BATCH)
    assert rows[["clip_id", "capability"]].to_numpy().tolist() == [
        ["z", "safety"], ["z", "topic"], ["a", "safety"], ["a", "topic"],
    ]  # fmt: skip
    predictor = Predictor(bundles)
    for row in rows.itertuples():
        clip = feed.set_index("clip_id").loc[row.clip_id]
        online = predictor.predict(Path(clip["path"]) if clip["path"] else None, clip["text"])
        assert json.loads(row.probabilities) == pytest.approx(online.probabilities[row.capability], abs=1e-5)
        assert (row.label, row.model_version) == (online.labels[row.capability], bundles[row.capability].version)


def test_a_clip_whose_media_does_not_decode_is_refused(feed, bundles, ask):
    answers, _ = ask(feed, bundles)
    assert answers.rejects.columns.tolist() == list(REJECTS)
    assert answers.rejects[["clip_id", "reason"]].to_numpy().tolist() == [["m", "no_frames"]]
    again, counts = ask(feed, bundles, answers.rows)
    assert (again.rejects["clip_id"].tolist(), counts["clips_decoded"]) == (["m"], 0)


def test_a_second_call_decodes_nothing_and_keeps_all_rows(feed, bundles, ask):
    first, counts = ask(feed, bundles)
    assert (counts["clips_decoded"], counts["captions_encoded"], first.kept) == (2, 3, 0)
    again, counts = ask(feed, bundles, first.rows)
    assert (counts["clips_decoded"], counts["captions_encoded"], again.kept) == (
        0,
        0,
        4,
    )  # the refused clip is known too
    pd.testing.assert_frame_equal(again.rows, first.rows)


def test_what_is_known_is_not_asked_again_even_where_features_were_lost(feed, bundles, ask, tmp_path):
    first, _ = ask(feed.iloc[:2], bundles)
    (tmp_path / "features").rename(tmp_path / "gone")
    again, counts = ask(feed.iloc[:2], bundles, first.rows)
    assert (counts["clips_decoded"], again.kept) == (0, 4)
    pd.testing.assert_frame_equal(again.rows, first.rows)


def test_another_caption_is_asked_about_anew(feed, bundles, ask):
    feed = feed.iloc[:2].reset_index(drop=True)
    first, _ = ask(feed, bundles)
    feed.loc[1, ["text", "text_sha256"]] = ["a pie", text_sha256("a pie")]
    again, counts = ask(feed, bundles, first.rows)
    assert (counts["clips_decoded"], counts["captions_encoded"], again.kept) == (0, 1, 2)
    assert again.rows["text_sha256"].tolist() == [feed.loc[place, "text_sha256"] for place in (0, 0, 1, 1)]


def test_a_new_champion_answers_anew_and_the_others_rows_are_kept(feed, bundles, ask):
    feed = feed.iloc[:2]
    first, _ = ask(feed, bundles)
    changed = bundles | {"topic": replace(bundles["topic"], temperature=3.0)}
    again, counts = ask(feed, changed, first.rows)
    assert (counts["clips_decoded"], again.kept, len(again.rows)) == (0, 2, 4)
    of_topic = again.rows[again.rows["capability"] == "topic"]
    assert set(of_topic["model_version"]) == {changed["topic"].version}


def test_rows_of_clips_and_capabilities_that_are_gone_are_left_out(feed, bundles, ask):
    first, _ = ask(feed, bundles)
    again, _ = ask(feed.iloc[1:2], {"topic": bundles["topic"]}, first.rows)
    assert again.rows[["clip_id", "capability"]].to_numpy().tolist() == [["a", "topic"]]


def test_without_a_champion_the_remedy_is_told(feed, ask):
    with pytest.raises(BundleError, match="dvc pull"):
        ask(feed, {})
