import numpy as np
import pytest
from PIL import Image

from cu_pipeline.core.weights import weights_path
from cu_pipeline.features import efficientnet
from cu_pipeline.features.onnx_network import Network
from cu_pipeline.features.torch_file import read_state

PALACE, DAISY = 698, 985  # ImageNet's classes


@pytest.fixture(scope="module")
def published():
    return read_state(weights_path("efficientnet-lite0"))


@pytest.fixture(scope="module")
def network(published) -> Network:
    return Network(efficientnet.feature_model(published), threads=1)


@pytest.mark.parametrize(("photograph", "expected"), [("china.jpg", PALACE), ("flower.jpg", DAISY)])
def test_recognises_real_photographs(network, published, photograph, expected):
    from sklearn.datasets import load_sample_image

    picture = load_sample_image(photograph)
    height, width, _ = picture.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = Image.fromarray(picture[top : top + side, left : left + side]).resize(
        (224, 224), Image.Resampling.BILINEAR
    )
    (features,) = network.run([{efficientnet.INPUT: np.asarray(square)[None]}])
    logits = features @ published["_fc.weight"].T + published["_fc.bias"]
    assert logits.argmax() == expected
