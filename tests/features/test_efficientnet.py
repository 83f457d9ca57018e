import numpy as np
import pytest
import torch
from PIL import Image

from cu_pipeline.core.weights import weights_path
from cu_pipeline.features import efficientnet

PALACE, DAISY = 698, 985  # ImageNet's classes


@pytest.fixture(scope="module")
def network() -> efficientnet.EfficientNetLite0:
    return efficientnet.load(weights_path("efficientnet-lite0"))


@pytest.mark.parametrize(("photograph", "expected"), [("china.jpg", PALACE), ("flower.jpg", DAISY)])
def test_recognises_real_photographs(network, photograph, expected):
    from sklearn.datasets import load_sample_image

    picture = load_sample_image(photograph)
    height, width, _ = picture.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = Image.fromarray(picture[top : top + side, left : left + side]).resize(
        (224, 224), Image.Resampling.BILINEAR
    )
    pixels = torch.from_numpy((np.asarray(square, dtype=np.float32) - 127) / 128)
    with torch.inference_mode():
        logits = network.classify(pixels.permute(2, 0, 1).unsqueeze(0))
    assert logits.argmax().item() == expected


def test_same_padding_adds_the_odd_pixel_at_the_end():
    convolution = efficientnet._Convolution(1, 1, 3, stride=2)
    torch.nn.init.ones_(convolution.weight)
    torch.nn.init.zeros_(convolution.bias)
    with torch.inference_mode():
        sums = convolution(torch.ones(1, 1, 4, 4))[0, 0]
    assert sums.tolist() == [[9, 6], [6, 4]]
