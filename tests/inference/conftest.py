from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cu_pipeline.core.capability import Kind
from cu_pipeline.features.table import FeatureOptions
from cu_pipeline.models.bundle import Bundle

EXTRACTED = FeatureOptions(frames={"count": 2, "size": 64}, captions={"max_tokens": 16})


@pytest.fixture(scope="session")
def extracted() -> FeatureOptions:
    """Give small parameters of the real extractors."""
    return EXTRACTED


@pytest.fixture(scope="session")
def bundles(make_bundle) -> dict[str, Bundle]:
    """Give random bundles of both kinds that read the features of `extracted`."""
    thresholds = {"advert": 0.4, "violence": 0.6}
    return {
        "topic": make_bundle(extracted=EXTRACTED, temperature=1.5),
        "safety": make_bundle(
            "safety", Kind.MULTI, ("advert", "violence"), extracted=EXTRACTED, temperature=1.5, thresholds=thresholds
        ),
    }


@pytest.fixture(scope="session")
def write_clip() -> Callable[[Path, int], Path]:
    """Give a function that writes a clip of a bar that moves over a shade of grey."""
    import av

    def write(target: Path, shade: int = 100) -> Path:
        with av.open(str(target), "w") as container:
            stream = container.add_stream("mpeg4", rate=8)
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
            for number in range(8):
                picture = np.full((64, 96, 3), shade, dtype=np.uint8)
                picture[:, 10 * number : 10 * number + 12] = 255
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
            container.mux(stream.encode(None))
        return target

    return write
