"""EfficientNet-Lite0 as a plain feature network, for inference.

Architecture: Tan & Le, "EfficientNet" (ICML 2019), in its Lite variant (no squeeze-and-excitation, ReLU6), with
TensorFlow's "SAME" padding. Batch normalisation is folded into the convolutions when the weights are loaded.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

FEATURES: Final = 1280
_EPSILON: Final = 1e-3


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


class _Convolution(nn.Conv2d):
    """A convolution with "SAME" padding: with stride 2 the odd pixel is added at the right and the bottom."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        self._before = (kernel - stride) // 2
        self._after = kernel - stride - self._before
        symmetric = self._before == self._after
        super().__init__(inputs, outputs, kernel, stride, padding=self._before if symmetric else 0, groups=groups)
        self._pad = not symmetric

    def forward(self, images: Tensor) -> Tensor:
        if self._pad:
            images = functional.pad(images, (self._before, self._after, self._before, self._after))
        return super().forward(images)


class _Block(nn.Module):
    """An inverted residual block: expand, filter each channel, project."""

    def __init__(self, inputs: int, stage: _Stage, stride: int) -> None:
        super().__init__()
        width = inputs * stage.expansion
        self._expand_conv = _Convolution(inputs, width, 1) if stage.expansion > 1 else None
        self._depthwise_conv = _Convolution(width, width, stage.kernel, stride, groups=width)
        self._project_conv = _Convolution(width, stage.outputs, 1)
        self._residual = stride == 1 and inputs == stage.outputs

    def forward(self, images: Tensor) -> Tensor:
        hidden = images if self._expand_conv is None else functional.relu6(self._expand_conv(images))
        hidden = self._project_conv(functional.relu6(self._depthwise_conv(hidden)))
        return hidden + images if self._residual else hidden


class EfficientNetLite0(nn.Module):
    """Frames to 1280 features, and to ImageNet's 1000 classes where asked."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = _Convolution(3, 32, 3, 2)
        blocks, inputs = [], 32
        for stage in _STAGES:
            for index in range(stage.repeats):
                blocks.append(_Block(inputs, stage, stage.stride if index == 0 else 1))
                inputs = stage.outputs
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = _Convolution(inputs, FEATURES, 1)
        self._fc = nn.Linear(FEATURES, 1000)

    def forward(self, images: Tensor) -> Tensor:
        """Encode images.

        Args:
            images: (batch, 3, height, width), RGB, as (value - 127) / 128.

        Returns:
            (batch, 1280): the head's activations averaged over the picture.
        """
        hidden = functional.relu6(self._conv_stem(images))
        for block in self._blocks:
            hidden = block(hidden)
        return functional.relu6(self._conv_head(hidden)).mean((2, 3))

    def classify(self, images: Tensor) -> Tensor:
        """ImageNet logits (batch, 1000) of images as in `forward`."""
        logits: Tensor = self._fc(self(images))
        return logits


def load(path: Path) -> EfficientNetLite0:
    """Read the published PyTorch weights, with batch normalisation folded in.

    Args:
        path: a state dict whose names follow the TensorFlow original (`_conv_stem.weight`, `_bn0.bias`, …).
    """
    published = torch.load(path, map_location="cpu", weights_only=True)
    network = EfficientNetLite0().eval()
    network.load_state_dict(_folded(published))
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def load_last_layer(path: Path) -> nn.Linear:
    """Read the layer that gives ImageNet's 1000 logits from the network's 1280 features."""
    published = torch.load(path, map_location="cpu", weights_only=True)
    layer = nn.Linear(FEATURES, 1000).eval()
    layer.load_state_dict({name: published[f"_fc.{name}"] for name in ("weight", "bias")})
    return layer


def _folded(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    state = {name: published[name] for name in ("_fc.weight", "_fc.bias")}
    for name, weight in published.items():
        if weight.ndim != 4:
            continue
        layer = name.removesuffix(".weight")
        norm = _norm_after(layer)
        scale = published[f"{norm}.weight"] / torch.sqrt(published[f"{norm}.running_var"] + _EPSILON)
        state[f"{layer}.weight"] = weight * scale[:, None, None, None]
        state[f"{layer}.bias"] = published[f"{norm}.bias"] - published[f"{norm}.running_mean"] * scale
    return state


def _norm_after(layer: str) -> str:
    """Name the batch normalisation behind a convolution; blocks without expansion start with `_bn1`."""
    prefix, _, convolution = layer.rpartition(".")
    index = {"_conv_stem": 0, "_conv_head": 1, "_expand_conv": 0, "_depthwise_conv": 1, "_project_conv": 2}
    norm = f"_bn{index[convolution]}"
    return f"{prefix}.{norm}" if prefix else norm
