"""Decoding outside the predictor's own process."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from cu_pipeline.core.errors import BadClipError, Reason
from cu_pipeline.features.frame_encoder import FrameEncoder
from cu_pipeline.features.table import EXTRACTORS
from cu_pipeline.inference.predictor import Predictor
from cu_pipeline.media.decoding import sample_frames
from cu_pipeline.media.options import Limits


class Treacherous(FrameEncoder):
    """A decoder with faults that show by the file's name; it reads the file itself."""

    sampling = None

    def prepare(self, content):
        match Path(content).stem:
            case "hang":
                time.sleep(60)
            case "crash":
                os.kill(os.getpid(), signal.SIGSEGV)
        return sample_frames(Path(content), self._count, self._size)


@pytest.fixture(scope="module")
def plain(bundles):
    return Predictor(bundles)


@pytest.fixture
def isolated(bundles, monkeypatch):
    monkeypatch.setitem(EXTRACTORS, "frames", Treacherous)
    predictor = Predictor(bundles, Limits(timeout_s=4.0), workers=1)
    yield predictor
    predictor.close()


def workers():
    return [child for child in psutil.Process().children() if "cu_pipeline.compute.worker" in child.cmdline()]


@pytest.mark.parametrize(("fault", "reason"), [("hang", Reason.TIMEOUT), ("crash", Reason.CRASHED)])
def test_a_fault_costs_its_clip_alone(isolated, plain, write_clip, tmp_path, fault, reason):
    good, bad = write_clip(tmp_path / "good.mp4"), write_clip(tmp_path / f"{fault}.mp4")
    with pytest.raises(BadClipError) as caught:
        isolated.predict(bad, "a caption")
    assert caught.value.reason is reason
    answer, expected = isolated.predict(good, "a caption"), plain.predict(good, "a caption")
    assert answer.probabilities == expected.probabilities
    assert answer.facts == expected.facts


def test_refusals_come_through_and_keep_the_worker(isolated, write_clip, tmp_path):
    isolated.predict(write_clip(tmp_path / "good.mp4"), "")
    (before,) = workers()
    (tmp_path / "text.mp4").write_bytes(b"not a film")
    with pytest.raises(BadClipError) as caught:
        isolated.predict(tmp_path / "text.mp4", "")
    assert caught.value.reason is Reason.NOT_MEDIA
    assert workers() == [before]


def test_two_threads_get_their_own_answers(bundles, plain, write_clip, tmp_path):
    clips = [write_clip(tmp_path / f"{shade}.mp4", shade) for shade in (20, 220)]
    expected = [plain.predict(clip, "").probabilities for clip in clips]
    assert expected[0] != expected[1]
    predictor = Predictor(bundles, workers=2)
    try:
        with ThreadPoolExecutor(2) as threads:
            answers = list(threads.map(lambda clip: predictor.predict(clip, "").probabilities, clips * 4))
    finally:
        predictor.close()
    assert answers == expected * 4


def test_text_alone_starts_no_process_and_closing_ends_all(isolated, write_clip, tmp_path):
    isolated.predict(None, "a caption")
    assert workers() == []
    clip = write_clip(tmp_path / "good.mp4")
    isolated.predict(clip, "")
    assert len(workers()) == 1
    isolated.close()
    assert workers() == []
    with pytest.raises(BadClipError):
        isolated.predict(clip, "")
    assert isolated.predict(None, "a caption").labels
