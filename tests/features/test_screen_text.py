import json
import pickle
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from cu_pipeline.compute.worker_pool import LocalMapper
from cu_pipeline.core import counters
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.features.caption_encoder import CaptionEncoder
from cu_pipeline.features.clip_features import Feature
from cu_pipeline.features.earlier_texts import earlier_chunks, read_earlier_texts
from cu_pipeline.features.encoding import prepare_media
from cu_pipeline.features.extract import extract_missing
from cu_pipeline.features.screen_embeddings import ScreenEmbeddings
from cu_pipeline.features.screen_text import ScreenTextReader, _engine_of
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import build, modality_of
from cu_pipeline.media.options import Limits
from cu_pipeline.service.engine.warm_up import write_grey_clip


@pytest.fixture(scope="module")
def lettered(tmp_path_factory) -> Path:
    """Give a clip of 20 frames: the first half shows one line of text, the second half two."""
    target = tmp_path_factory.mktemp("lettered") / "clip.mp4"
    font = ImageFont.load_default(40)
    with av.open(str(target), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 480, "yuv420p"
        for number in range(20):
            image = Image.new("RGB", (320, 480), (40, 90, 60))
            draw = ImageDraw.Draw(image)
            draw.text((30, 80), "EASY DINNER", (255, 255, 255), font, stroke_width=2, stroke_fill=(0, 0, 0))
            if number >= 10:
                draw.text((60, 300), "SHOP NOW", (255, 255, 255), font, stroke_width=2, stroke_fill=(0, 0, 0))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(image)).reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    return target


def read(reader: ScreenTextReader, path: Path) -> str:
    return prepare_media(str(path), {"text": reader})["text"]


def test_text_on_screen_is_read_once_from_all_frames(lettered) -> None:
    lines = read(ScreenTextReader(), lettered).split(" / ")
    assert ["".join(line.split()) for line in lines] == ["EASYDINNER", "SHOPNOW"]


def test_a_bad_clip_has_no_text_and_the_others_are_read(lettered, tmp_path, caplog) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(lettered.read_bytes()[:2000])
    counters.reset()
    store, reader = FeatureStore(tmp_path / "store"), ScreenTextReader()
    contents = {"media": {"good": str(lettered), "bad": str(broken)}}
    for chunk in extract_missing([reader], contents, store, Limits(), LocalMapper(1)):
        store.append(chunk.identity, chunk.keys, chunk.values)
    good, bad = store.read(reader.identity, ["good", "bad"])
    assert good
    assert bad is None
    assert "broken.mp4" in caplog.text
    assert counters.counts() == {"clips_decoded": 2, "screen_text_encoded": 1}
    assert list(extract_missing([reader], contents, store, Limits(), LocalMapper(1))) == []


def test_all_that_decides_the_text_is_in_its_key() -> None:
    given = [{}, {"frames": 3}, {"size": 320}, {"least_confidence": 0.5}]
    assert len({ScreenTextReader(**one).identity.fingerprint for one in given}) == len(given)


@pytest.mark.parametrize(("least", "kept"), [(0.6, "SALE / NOW / LIKE"), (0.8, "SALE / NOW"), (0.81, "SALE")])
def test_lines_that_the_recogniser_is_less_sure_of_than_asked_for_are_left_out(least: float, kept: str) -> None:
    reader = ScreenTextReader(least_confidence=least)
    found = SimpleNamespace(txts=("SALE", "NOW", "LIKE"), scores=(0.99, 0.8, 0.79))
    vars(reader)["_engine"] = lambda _image: found
    assert reader.prepare([np.zeros((4, 4, 3), np.uint8)]) == kept


def test_workers_get_no_engine(lettered) -> None:
    reader = ScreenTextReader()
    read(reader, lettered)
    assert len(pickle.dumps(reader)) < 500


def test_texts_of_an_earlier_version_are_taken_over(tmp_path) -> None:
    identity = ScreenTextReader().identity
    key = json_sha256([identity.fingerprint, "media one"])
    lines = [json.dumps({"key": key, "text": "één"}), '{"key": "no text"}', '{"key": "cut o']
    (tmp_path / "texts.jsonl").write_text("\n".join(lines))
    earlier = read_earlier_texts(tmp_path / "texts.jsonl")
    (chunk,) = earlier_chunks(identity, earlier, ["media one", "media two"])
    assert (chunk.keys, chunk.values.tolist()) == (["media one"], ["één"])
    assert list(earlier_chunks(identity, earlier, ["media two"])) == []
    assert read_earlier_texts(tmp_path / "nowhere") == {}


@pytest.fixture(scope="module")
def silent(tmp_path_factory) -> Path:
    """Give a clip that shows no text."""
    return write_grey_clip(tmp_path_factory.mktemp("silent") / "clip.mp4")


def test_text_on_screen_is_encoded_as_a_caption_would_be_and_none_counts_as_absent(lettered, silent, tmp_path) -> None:
    store, encoder = FeatureStore(tmp_path / "store"), ScreenEmbeddings()
    contents = {"media": {"good": str(lettered), "silent": str(silent)}}
    for chunk in extract_missing([encoder], contents, store, Limits(), LocalMapper(1)):
        store.append(chunk.identity, chunk.keys, chunk.values)
    good, absent = store.read(encoder.identity, ["good", "silent"])
    (expected,) = CaptionEncoder().encode([read(ScreenTextReader(), lettered)])
    np.testing.assert_allclose(good, expected, atol=1e-6)
    assert Feature.read(np.stack([good, absent])).present.tolist() == [True, False]


def test_frames_are_read_once_for_text_and_vector(lettered) -> None:
    size = 479  # of no other test
    both = {"text": ScreenTextReader(size=size), "vector": ScreenEmbeddings(size=size)}
    calls, network = [], _engine_of(size)._network
    _engine_of(size)._network = lambda image: calls.append(image.shape) or network(image)
    found = prepare_media(str(lettered), both)
    assert found["text"] == found["vector"] != ""
    assert len(calls) == 2, "one for each frame"


def test_the_key_of_a_vector_covers_text_and_encoder() -> None:
    given = [{}, {"frames": 3}, {"encoder": "captions_multilingual"}]
    found = [ScreenEmbeddings(**one) for one in given]
    assert len({one.identity.fingerprint for one in found}) == len(given)
    assert [build("screen_embeddings", one.parameters).identity for one in found] == [one.identity for one in found]
    assert modality_of("screen_embeddings") == modality_of("screen_text")
    assert len(pickle.dumps(found[2])) < 500
