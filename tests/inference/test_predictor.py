"""The predictor with the real encoders on tiny clips."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cu_pipeline.compute.worker_pool import LocalMapper
from cu_pipeline.core.errors import BadClipError, BundleError, Reason
from cu_pipeline.core.hashing import file_sha256, text_sha256
from cu_pipeline.core.records import CLIPS
from cu_pipeline.core.scope import Scope
from cu_pipeline.features.clip_features import CONTENT
from cu_pipeline.features.extract import extract_missing
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureInput, FeatureOptions, build_all
from cu_pipeline.inference.prediction import ReadClip
from cu_pipeline.inference.predictions_table import predict_table
from cu_pipeline.inference.predictor import Predictor
from cu_pipeline.media import decoding
from cu_pipeline.media.options import Limits


@pytest.fixture(scope="module")
def predictor(bundles):
    return Predictor(bundles)


@pytest.fixture(scope="module")
def clip(write_clip, tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", 100)


def test_video_and_text_give_every_capability(predictor, clip, bundles):
    found = predictor.predict(clip, "a caption")
    assert {name: tuple(values) for name, values in found.probabilities.items()} == {
        name: bundle.classes for name, bundle in bundles.items()
    }
    assert sum(found.probabilities["topic"].values()) == pytest.approx(1)
    assert found.labels["topic"] == max(found.probabilities["topic"], key=found.probabilities["topic"].get)
    assert found.versions == {name: bundle.version for name, bundle in bundles.items()}
    size = clip.stat().st_size
    facts = {"text_length": 9, "duration_s": 1, "width": 96, "height": 64, "fps": 8, "bytes": size, "has_sound": 0}
    assert found.facts == pytest.approx(facts)


def test_the_embedding_is_the_mean_frame_and_the_caption(predictor, clip):
    both, seen, said = (predictor.predict(*given).embedding for given in [(clip, "x"), (clip, ""), (None, "x")])
    assert (both.shape, both.dtype) == ((1664,), np.float32)
    assert seen[:1280].any()
    assert not seen[1280:].any()
    assert not said[:1280].any()
    assert np.linalg.norm(said[1280:]) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(both, seen + said, atol=1e-5)


def test_either_half_is_enough_and_each_matters(predictor, clip):
    answers = [predictor.predict(*given) for given in [(clip, "a caption"), (clip, ""), (None, "a caption")]]
    probabilities = {tuple(answer.probabilities["topic"].values()) for answer in answers}
    assert len(probabilities) == 3
    assert set(answers[2].facts) == {"text_length"}


def test_a_model_that_is_to_give_sets_does(bundles, clip):
    """Each class that reaches the threshold is in a clip's set, the likeliest first, by the predictor and in tables."""
    topic = bundles["topic"]
    said = Predictor({"topic": topic}).predict(clip, "a caption")
    assert said.sets == {}
    ranked = sorted(topic.classes, key=lambda name: -said.probabilities["topic"][name])
    second = said.probabilities["topic"][ranked[1]]
    careful = replace(topic, set_threshold=second)
    found = Predictor({"topic": careful}).predict(clip, "a caption")
    assert found.sets == {"topic": ranked[:2]}
    assert careful.version != topic.version
    surer = replace(topic, set_threshold=second + 1e-6)
    assert Predictor({"topic": surer}).predict(clip, "a caption").sets == {"topic": ranked[:1]}


def test_batch_prediction_of_stored_features_equals_the_predictor(predictor, bundles, extracted, write_clip, tmp_path):
    contents = [
        (40, "dawn over the sea"),
        (200, "noon"),
        (90, ""),
        (None, "only words, and more of them"),
        (40, "noon"),
    ]
    rows = []
    for number, (shade, text) in enumerate(contents):
        path = "" if shade is None else str(write_clip(tmp_path / f"{number}.mp4", shade))
        keys = {"media_sha256": file_sha256(tmp_path / f"{number}.mp4") if path else "", "split": "test"}
        rows.append({"clip_id": f"c{number}", "path": path, "text": text, **keys})
        rows[-1]["text_sha256"] = text_sha256(text) if text else ""
    clips = pd.DataFrame(rows, columns=list(CLIPS), dtype="object")
    store = FeatureStore(tmp_path / "store")
    contents = {
        source: dict(clips.loc[clips[column] != "", [column, named]].itertuples(index=False))
        for (source, column), named in zip(CONTENT.items(), ("path", "text"), strict=True)
    }
    for chunk in extract_missing(list(build_all(extracted).values()), contents, store, Limits(), LocalMapper(1)):
        store.append(chunk.identity, chunk.keys, chunk.values)
    offline = predict_table(clips, store, bundles)
    for row in offline.itertuples():
        clip = clips.set_index("clip_id").loc[row.clip_id]
        online = predictor.predict(tmp_path / clip["path"] if clip["path"] else None, clip["text"])
        assert online.probabilities[row.capability] == pytest.approx(json.loads(row.probabilities), abs=1e-5)
        assert online.labels[row.capability] == row.label


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, Reason.MISSING), (b"", Reason.EMPTY), (b"not a film", Reason.NOT_MEDIA)],
    ids=lambda value: getattr(value, "value", None),
)
def test_bad_media_is_refused_though_there_is_a_caption(predictor, tmp_path, content, reason):
    path = tmp_path / "clip.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadClipError) as caught:
        predictor.predict(path, "a caption")
    assert caught.value.reason is reason


def test_media_beyond_the_limits_is_refused(bundles, clip):
    with pytest.raises(BadClipError, match="too_large"):
        Predictor(bundles, Limits(max_bytes=100)).predict(clip, "")


def test_bundles_are_loaded_from_their_folders(bundles, predictor, tmp_path):
    for name, bundle in bundles.items():
        bundle.save(tmp_path / name)
    (tmp_path / "half_written").mkdir()
    loaded = Predictor.load(tmp_path)
    assert {name: bundle.version for name, bundle in loaded.bundles.items()} == {
        name: bundle.version for name, bundle in bundles.items()
    }
    assert loaded.predict(None, "words").probabilities == predictor.predict(None, "words").probabilities


def test_no_bundle_is_an_error_with_the_remedy(tmp_path):
    with pytest.raises(BundleError, match="Run `make run`"):
        Predictor.load(tmp_path)


@pytest.mark.parametrize("name", ["frames", "captions"])
def test_a_bundle_of_other_features_is_refused_with_the_remedy(bundles, name):
    strange = replace(bundles["topic"].inputs[name], fingerprint="0123456789abcdef")
    strange = replace(bundles["topic"], inputs=bundles["topic"].inputs | {name: strange})
    with pytest.raises(
        BundleError, match=f"'topic' reads '{name}' features 0123456789abcdef, .* train the model again"
    ):
        Predictor(bundles | {"topic": strange})


def test_two_models_may_read_the_same_extractor_with_other_parameters(bundles, make_bundle, clip, monkeypatch):
    more = FeatureOptions(frames={"count": 4, "size": 64}, captions={"max_tokens": 16})
    other = make_bundle("mood", classes=("calm", "loud"), extracted=more)
    decoded, read_index = [], decoding.read_index
    monkeypatch.setattr(decoding, "read_index", lambda *given: decoded.append(given) or read_index(*given))
    found = Predictor(bundles | {"mood": other}).predict(clip, "a caption")
    assert len(decoded) == 1, "the clip is decoded once for both"
    assert [name.partition("@")[0] for name in found.parts] == ["frames", "frames", "captions"]
    assert found.embedding.shape == (2 * 1280 + 384,)
    for name, alone in (("topic", Predictor(bundles)), ("mood", Predictor({"mood": other}))):
        expected = alone.predict(clip, "a caption").probabilities[name]
        assert found.probabilities[name] == pytest.approx(expected, abs=1e-6)


def test_a_model_answers_inside_its_scope_only(bundles, clip):
    topic = bundles["topic"].scoped(Scope.model_validate({"modalities": "video", "feeds": "videos.csv"}))
    safety = bundles["safety"].scoped(Scope(languages=("de",)))
    limited = Predictor({"topic": topic, "safety": safety})
    german = "Das ist ein schöner Tag im Garten mit meinen Freunden und wir kochen zusammen"
    assert set(limited.predict(clip, german).probabilities) == {"topic", "safety"}
    assert set(limited.predict(clip, "").labels) == {"topic"}
    assert set(limited.predict(None, german, {"lang": "en"}).labels) == set()
    found = limited.predict(clip, german, {"feed": "texts.csv"})
    assert found.not_applicable == {"topic": "it applies to feeds: videos.csv, not texts.csv"}
    assert set(found.labels) == set(found.probabilities) == {"safety"}
    assert set(found.versions) == {"topic", "safety"}


def test_only_what_is_asked_is_answered_and_computed(bundles, make_bundle, clip, monkeypatch):
    words = make_bundle("mood", extracted=FeatureOptions(captions={"max_tokens": 16}))
    both = Predictor(bundles | {"mood": words})
    monkeypatch.setattr("cu_pipeline.features.frame_encoder.FrameEncoder.encode", None)
    found = both.predict(clip, "a caption", capabilities=["mood"])
    assert set(found.labels) == set(found.versions) == set(found.roles) == {"mood"}
    assert [name.partition("@")[0] for name in found.parts] == ["captions"]
    assert found.facts["width"] == 96


def test_an_explanation_hides_each_modality_that_the_clip_has(predictor, clip):
    found = predictor.predict(clip, "a caption", explain=True)
    told = found.explanation
    assert len(told.frames) == 8
    assert [round(time_s * 8) for time_s, _ in told.frames] == list(range(8))
    assert told.without["topic"].keys() == {"frames", "caption"}
    seen, said = predictor.predict(clip, "").probabilities, predictor.predict(None, "a caption").probabilities
    for name in ("topic", "safety"):
        assert told.without[name]["caption"] == pytest.approx(seen[name], abs=1e-5)
        assert told.without[name]["frames"] == pytest.approx(said[name], abs=1e-5)
    alone = predictor.predict(None, "a caption", explain=True).explanation
    assert (alone.frames, alone.without) == ([], {"topic": {}, "safety": {}})


def test_text_on_screen_is_told_where_a_model_reads_it(make_bundle, clip, monkeypatch):
    from cu_pipeline.features.screen_text import ScreenTextReader

    monkeypatch.setattr(ScreenTextReader, "prepare", lambda self, content: "WAIT FOR IT")
    extracted = FeatureOptions(frames={"count": 2, "size": 64}, screen_text={})
    bundle = make_bundle(extracted=extracted)
    reading = replace(
        bundle, inputs=bundle.inputs | {"screen_text": FeatureInput.of(build_all(extracted)["screen_text"])}
    )
    assert Predictor({"topic": reading}).predict(clip, "", explain=True).explanation.screen_text == "WAIT FOR IT"


def test_many_clips_go_through_the_stages_together(predictor, clip):
    given = [(clip, "a caption"), (None, "words"), (clip, ""), (None, "a longer caption of some more words")]
    clips = [ReadClip(asked, predictor.decode(asked)) for asked in (predictor.ask(*one, {}) for one in given)]
    for one, found in zip(given, predictor.score(clips, predictor.encode(clips)), strict=True):
        alone = predictor.predict(*one)
        assert found.labels == alone.labels
        assert found.embedding == pytest.approx(alone.embedding, abs=1e-5)
        for name, classes in alone.probabilities.items():
            assert found.probabilities[name] == pytest.approx(classes, abs=1e-5)


def test_a_clip_that_costs_too_much_is_only_looked_at(predictor, clip):
    """Eight pictures, two of which are wanted, and a key frame at the beginning."""
    asked = predictor.ask(clip, "", {})
    assert not predictor.decode(asked, most_pixels=8 * 96 * 64).postponed
    looked = predictor.decode(asked, most_pixels=8 * 96 * 64 - 1)
    assert (looked.postponed, looked.prepared) == (True, {})
    assert looked.sha256 == file_sha256(clip)
