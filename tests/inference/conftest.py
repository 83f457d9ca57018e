from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cu_pipeline.core.capability import Kind
from cu_pipeline.features.table import CaptionOptions, FeatureOptions, FrameOptions, build_all
from cu_pipeline.models.bundle import Bundle

EXTRACTED = FeatureOptions(frames=FrameOptions(count=2, size=64), captions=CaptionOptions(max_tokens=16))


@pytest.fixture(scope="session")
def extracted() -> FeatureOptions:
    """Give small parameters of the real extractors."""
    return EXTRACTED


@pytest.fixture(scope="session")
def bundles() -> dict[str, Bundle]:
    """Give random bundles of both kinds that read the features of `extracted`."""
    return {
        "topic": random_bundle("topic", Kind.SINGLE, ("cooking", "sport", "travel"), {}),
        "safety": random_bundle("safety", Kind.MULTI, ("advert", "violence"), {"advert": 0.4, "violence": 0.6}),
    }


def random_bundle(name: str, kind: Kind, classes: tuple[str, ...], thresholds: dict[str, float]) -> Bundle:
    import torch

    from cu_pipeline.models.fusion_network import FusionHead, HeadConfig

    torch.manual_seed(len(name))
    shape = {"classes": len(classes), "frames": 2, "frame_width": 1280, "caption_width": 384, "width": 8}
    head = FusionHead(HeadConfig(**shape))
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    weights = {key: value.detach().clone() for key, value in head.state_dict().items()}
    extractors = {
        key: {"parameters": extractor.parameters, "fingerprint": extractor.identity.fingerprint}
        for key, extractor in build_all(EXTRACTED).items()
    }
    return Bundle(name, kind, classes, shape, weights, extractors, temperature=1.5, thresholds=thresholds)


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
