"""EfficientNet-Lite0 as an ONNX graph.

Architecture: Tan & Le, "EfficientNet" (ICML 2019), in its Lite variant (no squeeze-and-excitation, ReLU6), with
TensorFlow's "SAME" padding. Batch normalisation is folded into the convolutions.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.features.onnx_network import Graph

FEATURES: Final = 1280
INPUT: Final = "frames"
_EPSILON: Final = 1e-3

Weights = Mapping[str, NDArray[Any]]


class _Stage(NamedTuple):
    repeats: int
    kernel: int
    stride: int
    expansion: int
    outputs: int


_STAGES: Final = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)


def feature_model(published: Weights) -> bytes:
    """Build the network from frames to features.

    Args:
        published: weights as `torch_file.read_state` gives them.

    Returns:
        An ONNX model: `frames`, uint8 RGB (batch, height, width, 3), to the head's activations averaged over the
        picture, float32 (batch, 1280).
    """
    graph = Graph()
    hidden = _relu6(graph, _convolution(graph, published, _pixels(graph), "_conv_stem", stride=2))
    inputs, block = 32, 0
    for stage in _STAGES:
        for index in range(stage.repeats):
            stride = stage.stride if index == 0 else 1
            further = _block(graph, published, hidden, f"_blocks.{block}.", stride)
            hidden = graph.node("Add", further, hidden) if stride == 1 and inputs == stage.outputs else further
            inputs, block = stage.outputs, block + 1
    head = _relu6(graph, _convolution(graph, published, hidden, "_conv_head"))
    output = graph.node("Flatten", graph.node("GlobalAveragePool", head))
    return graph.model({INPUT: (np.uint8, ("batch", "height", "width", 3))}, output, FEATURES)


def _pixels(graph: Graph) -> str:
    """Bring pixels to (value - 127) / 128, and the colours to the front."""
    values = graph.node("Cast", INPUT, to=1)  # float32
    centred = graph.node("Sub", values, graph.weight("mean", np.float32(127)))
    scaled = graph.node("Div", centred, graph.weight("scale", np.float32(128)))
    return graph.node("Transpose", scaled, perm=[0, 3, 1, 2])


def _block(graph: Graph, published: Weights, hidden: str, prefix: str, stride: int) -> str:
    """An inverted residual block without its residual: expand, filter each channel, project."""
    if f"{prefix}_expand_conv.weight" in published:
        hidden = _relu6(graph, _convolution(graph, published, hidden, f"{prefix}_expand_conv"))
    hidden = _relu6(graph, _convolution(graph, published, hidden, f"{prefix}_depthwise_conv", stride=stride))
    return _convolution(graph, published, hidden, f"{prefix}_project_conv")


def _convolution(graph: Graph, published: Weights, images: str, layer: str, stride: int = 1) -> str:
    """A convolution with "SAME" padding: with stride 2 the odd pixel is added at the right and the bottom."""
    weight, bias = _folded(published, layer)
    kernel = weight.shape[-1]
    before = (kernel - stride) // 2
    after = kernel - stride - before
    return graph.node(
        "Conv",
        images,
        graph.weight(f"{layer}.weight", weight),
        graph.weight(f"{layer}.bias", bias),
        strides=[stride, stride],
        pads=[before, before, after, after],
        group=len(weight) if layer.endswith("_depthwise_conv") else 1,
    )


def _relu6(graph: Graph, hidden: str) -> str:
    return graph.node("Clip", hidden, graph.weight("zero", np.float32(0)), graph.weight("six", np.float32(6)))


def _folded(published: Weights, layer: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """A convolution's weight and bias with the batch normalisation behind it."""
    norm, weight = _norm_after(layer), published[f"{layer}.weight"]
    scale = published[f"{norm}.weight"] / np.sqrt(published[f"{norm}.running_var"] + np.float32(_EPSILON))
    bias = published[f"{norm}.bias"] - published[f"{norm}.running_mean"] * scale
    return weight * scale[:, None, None, None], bias


def _norm_after(layer: str) -> str:
    """Name the batch normalisation behind a convolution; blocks without expansion start with `_bn1`."""
    prefix, _, convolution = layer.rpartition(".")
    index = {"_conv_stem": 0, "_conv_head": 1, "_expand_conv": 0, "_depthwise_conv": 1, "_project_conv": 2}
    norm = f"_bn{index[convolution]}"
    return f"{prefix}.{norm}" if prefix else norm
