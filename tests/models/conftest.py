import pytest
import torch

from cu_pipeline.core.capability import Kind
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.models.fusion_network import FusionHead, HeadConfig

SHAPE = {"classes": 3, "frames": 4, "frame_width": 8, "caption_width": 6, "width": 16}


@pytest.fixture
def head() -> FusionHead:
    torch.manual_seed(0)
    head = FusionHead(HeadConfig(**SHAPE))
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return head.eval()


@pytest.fixture
def bundle(head) -> Bundle:
    weights = {name: value.detach().clone() for name, value in head.state_dict().items()}
    return Bundle("topic", Kind.SINGLE, ("a", "b", "c"), SHAPE, weights, {"frames": {"fingerprint": "f"}})
