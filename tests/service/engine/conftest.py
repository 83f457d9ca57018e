from dataclasses import dataclass, field

import numpy as np
import pytest

from cu_pipeline.features.table import FeatureOptions


@dataclass
class RecordingMetrics:
    """Remembers what the engine told."""

    batches: list[tuple[str, int]] = field(default_factory=list)
    queues: list[tuple[str, int]] = field(default_factory=list)
    restarts: int = 0
    shadows: list[tuple[str, bool]] = field(default_factory=list)

    def batch(self, stage, size):
        self.batches.append((stage, size))

    def queue(self, lane, waiting):
        self.queues.append((lane, waiting))

    def decoder_restart(self):
        self.restarts += 1

    def shadow(self, capability, agrees, seconds):
        assert seconds > 0
        self.shadows.append((capability, agrees))


@pytest.fixture
def metrics():
    return RecordingMetrics()


@pytest.fixture(scope="module")
def told():
    """What a module's engine tells."""
    return RecordingMetrics()


@pytest.fixture(scope="session")
def looks_and_words():
    """Extractors without a network for media and a real one for captions: they start in no time."""
    return FeatureOptions({"motion": {"pairs": 2}, "captions": {"max_tokens": 16}})


@pytest.fixture(scope="session")
def film(tmp_path_factory):
    """Write a film of a moving bar, with one key frame."""
    import av

    def write(name="film.mp4", *, frames=8, width=96, height=64, shade=100):
        target = tmp_path_factory.mktemp("films") / name
        with av.open(str(target), "w") as container:
            stream = container.add_stream("libx264", rate=8, options={"g": "10000", "preset": "ultrafast"})
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for number in range(frames):
                picture = np.full((height, width, 3), shade, dtype=np.uint8)
                picture[:, 10 * (number % 8) : 10 * (number % 8) + 12] = 255
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
            container.mux(stream.encode(None))
        return target

    return write
