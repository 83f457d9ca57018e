import pickle
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from cu_pipeline.compute.worker_pool import LocalMapper
from cu_pipeline.core import counters
from cu_pipeline.features.read_screens import read_screens
from cu_pipeline.features.screen_text import ScreenTextReader
from cu_pipeline.features.text_log import TextFeature, TextLog
from cu_pipeline.media.options import Limits


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


def test_text_on_screen_is_read_once_from_all_frames(lettered) -> None:
    read = ScreenTextReader().read(lettered)
    assert ["".join(line.split()) for line in read.split(" / ")] == ["EASYDINNER", "SHOPNOW"]


def test_a_bad_clip_has_no_text_and_the_others_are_read(lettered, tmp_path, caplog) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(lettered.read_bytes()[:2000])
    counters.reset()
    files = {"good": str(lettered), "bad": str(broken)}
    found = [one for chunk in read_screens(ScreenTextReader(), files, Limits(), LocalMapper(1)) for one in chunk]
    assert [(one.key, bool(one.text)) for one in found] == [("good", True), ("bad", False)]
    assert "text on screen of" in caplog.text
    assert counters.counts()["screens_read"] == 2


def test_all_that_decides_the_text_is_in_its_key() -> None:
    given = [{}, {"frames": 3}, {"size": 320}, {"least_confidence": 0.5}]
    assert len({ScreenTextReader(**one).identity.fingerprint for one in given}) == len(given)


def test_workers_get_no_engine(lettered) -> None:
    reader = ScreenTextReader()
    reader.read(lettered)
    assert len(pickle.dumps(reader)) < 500


def test_a_log_keeps_what_was_finished(tmp_path) -> None:
    path = tmp_path / "texts.jsonl"
    log = TextLog(path)
    log.append([TextFeature("a", "één"), TextFeature("b", "")])
    path.write_bytes(path.read_bytes() + b'{"key": "c", "te')
    assert log.read() == {"a": "één", "b": ""}
    log.append([TextFeature("c", "x")])
    assert list(log.read()) == ["a", "b", "c"]
