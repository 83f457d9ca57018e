"""A fusion head over the features of a clip: linear experts, and a transformer for what they cannot see.

Linear experts on the caption, on the mean frame and on the trend of the frames learn well from few clips; a small
transformer over the frame and caption tokens adds what depends on order and on both together ("wide and deep",
Cheng et al., 2016; class token as in BERT, Devlin et al., 2019). In training whole modalities are dropped at
random, so that the head also works for clips with only a video or only a text (Neverova et al., "ModDrop", 2016).
"""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

_LINEAR_RATE: Final = 4.0
"""Scales the experts' logits, so that one learning rate moves them faster than the transformer."""


@dataclass(frozen=True)
class HeadConfig:
    """The shape of a head.

    Attributes:
        classes: number of outputs.
        frames: frames a clip.
        frame_width: features a frame.
        caption_width: features a caption.
        width: of the tokens.
        layers: of the transformer.
        heads: of the attention.
        dropout: share of activations dropped in training.
        modality_dropout: chance that a clip with both modalities loses one of them in training.
    """

    classes: int
    frames: int
    frame_width: int
    caption_width: int
    width: int = 64
    layers: int = 1
    heads: int = 4
    dropout: float = 0.5
    modality_dropout: float = 0.5


class FusionHead(nn.Module):
    """Features of clips to one logit a class."""

    frame_mean: Tensor
    frame_scale: Tensor
    caption_mean: Tensor
    caption_scale: Tensor

    def __init__(self, config: HeadConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("frame_mean", torch.zeros(config.frame_width))
        self.register_buffer("frame_scale", torch.ones(config.frame_width))
        self.register_buffer("caption_mean", torch.zeros(config.caption_width))
        self.register_buffer("caption_scale", torch.ones(config.caption_width))
        self.frame_in = nn.Linear(config.frame_width, config.width)
        self.trend_in = nn.Linear(config.frame_width, config.width)
        self.caption_in = nn.Linear(config.caption_width, config.width)
        self.place = nn.Parameter(torch.randn(config.frames + 3, config.width) * 0.02)
        layer = nn.TransformerEncoderLayer(
            config.width, config.heads, 2 * config.width, config.dropout, batch_first=True, norm_first=True
        )
        self.mix = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(config.width)
        self.drop = nn.Dropout(config.dropout)
        self.out = nn.Linear(config.width, config.classes)
        self.from_frames = nn.Linear(config.frame_width, config.classes)
        self.from_trend = nn.Linear(config.frame_width, config.classes)
        self.from_caption = nn.Linear(config.caption_width, config.classes)
        for layer_out in (self.out, self.from_frames, self.from_trend, self.from_caption):
            nn.init.zeros_(layer_out.weight)
            nn.init.zeros_(layer_out.bias)

    def standardise(self, frames: Tensor, caption: Tensor) -> None:
        """Set the preprocessing from training features: frames (n, t, d) and captions (m, e); either empty."""
        if len(frames):
            _fit(frames.flatten(0, 1), self.frame_mean, self.frame_scale)
        if len(caption):
            _fit(caption, self.caption_mean, self.caption_scale)

    def forward(self, frames: Tensor, has_frames: Tensor, caption: Tensor, has_caption: Tensor) -> Tensor:
        """Score the classes.

        Args:
            frames: (n, frames, frame_width).
            has_frames: bool (n).
            caption: (n, caption_width).
            has_caption: bool (n).

        Returns:
            Logits (n, classes).
        """
        if self.training:
            has_frames, has_caption = self._drop_modalities(has_frames, has_caption)
        seen = self.drop((frames - self.frame_mean) / self.frame_scale)
        said = self.drop((caption - self.caption_mean) / self.caption_scale)
        trend = _slope(seen)
        linear = (self.from_frames(seen.mean(1)) + self.from_trend(trend)) * has_frames.unsqueeze(1)
        linear = linear + self.from_caption(said) * has_caption.unsqueeze(1)
        mixed = self._mixed(seen, trend, said, has_frames, has_caption)
        logits: Tensor = _LINEAR_RATE * linear + self.out(self.drop(self.norm(mixed)))
        return logits

    def _mixed(self, seen: Tensor, trend: Tensor, said: Tensor, has_frames: Tensor, has_caption: Tensor) -> Tensor:
        """Read all tokens into the class token: (n, width)."""
        tokens = torch.cat(
            [
                seen.new_zeros(len(seen), 1, self.config.width),
                self.frame_in(seen),
                self.trend_in(trend).unsqueeze(1),
                self.caption_in(said).unsqueeze(1),
            ],
            dim=1,
        )
        absent = torch.cat(
            [
                torch.zeros_like(has_frames).unsqueeze(1),
                ~has_frames.unsqueeze(1).expand(-1, self.config.frames + 1),
                ~has_caption.unsqueeze(1),
            ],
            dim=1,
        )
        read: Tensor = self.mix(tokens + self.place, src_key_padding_mask=absent)[:, 0]
        return read

    def _drop_modalities(self, has_frames: Tensor, has_caption: Tensor) -> tuple[Tensor, Tensor]:
        both = has_frames & has_caption
        draw = torch.rand(len(both), device=both.device)
        half = self.config.modality_dropout / 2
        return has_frames & ~(both & (draw < half)), has_caption & ~(both & (draw > 1 - half))


def _fit(values: Tensor, mean: Tensor, scale: Tensor) -> None:
    mean.copy_(values.mean(0))
    scale.copy_(values.std(0, correction=0).clamp_min(1e-3))


def _slope(frames: Tensor) -> Tensor:
    """Give the least-squares slope of each feature over the frames: (n, t, d) to (n, d), in units of half a clip."""
    steps = frames.shape[1]
    time = torch.linspace(-1, 1, steps, device=frames.device) if steps > 1 else frames.new_zeros(1)
    return torch.einsum("t,ntd->nd", time / time.square().sum().clamp_min(1), frames)
