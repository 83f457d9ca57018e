import pytest

from cu_pipeline.core.capability import Kind


@pytest.fixture
def make_bundle():
    """Give a small random bundle that reads the real extractors' features."""
    import torch

    from cu_pipeline.features.table import FeatureOptions, build_all
    from cu_pipeline.models.bundle import Bundle
    from cu_pipeline.models.fusion_network import FusionHead, HeadConfig

    extractors = {
        name: {"parameters": extractor.parameters, "fingerprint": extractor.identity.fingerprint}
        for name, extractor in build_all(FeatureOptions()).items()
    }

    def make(capability="topic", kind=Kind.SINGLE, classes=("cooking", "sport", "travel"), seed=1):
        torch.manual_seed(seed)
        shape = {"classes": len(classes), "frames": 8, "frame_width": 1280, "caption_width": 384, "width": 16}
        head = FusionHead(HeadConfig(**shape)).eval()
        weights = {name: value.contiguous() for name, value in head.state_dict().items()}
        return Bundle(capability, kind, classes, shape, weights, extractors)

    return make
