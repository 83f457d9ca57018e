"""A fusion head over the features of a clip: linear experts, and a transformer for what they cannot see.

Linear experts on each modality, on the mean of sequences and on their trend, learn well from few clips; a small
transformer over all tokens adds what depends on order and on several modalities together ("wide and deep",
Cheng et al., 2016; class token as in BERT, Devlin et al., 2019). In training whole modalities are dropped at
random, so that the head also works for clips that lack some (Neverova et al., "ModDrop", 2016).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from cu_pipeline.core.capability import Kind
from cu_pipeline.models.fusion_graph import LINEAR_RATE, PRESENT, VALUES


@dataclass(frozen=True)
class HeadConfig:
    """The shape of a head.

    Attributes:
        classes: number of outputs.
        inputs: modality -> shape of its feature: (width,), or (steps, width) for a sequence.
        width: of the tokens.
        layers: of the transformer.
        heads: of the attention.
        dropout: share of activations dropped in training.
        modality_dropout: chance that a clip with several modalities loses one of them in training.
    """

    classes: int
    inputs: dict[str, tuple[int, ...]]
    width: int = 64
    layers: int = 1
    heads: int = 4
    dropout: float = 0.5
    modality_dropout: float = 0.5


class FusionHead(nn.Module):
    """Features of clips to one logit a class."""

    def __init__(self, config: HeadConfig) -> None:
        super().__init__()
        self.config = config
        widths = {name: shape[-1] for name, shape in config.inputs.items()}
        sequences = [name for name, shape in config.inputs.items() if len(shape) > 1]
        for name, wide in widths.items():
            self.register_buffer(f"mean_{name}", torch.zeros(wide))
            self.register_buffer(f"scale_{name}", torch.ones(wide))
        self.token_in, self.trend_in = nn.ModuleDict(), nn.ModuleDict()
        for name, wide in widths.items():
            self.token_in[name] = nn.Linear(wide, config.width)
            if name in sequences:
                self.trend_in[name] = nn.Linear(wide, config.width)
        tokens = 1 + sum(self._tokens(name) for name in widths)
        self.place = nn.Parameter(torch.randn(tokens, config.width) * 0.02)
        layer = nn.TransformerEncoderLayer(
            config.width, config.heads, 2 * config.width, config.dropout, batch_first=True, norm_first=True
        )
        self.mix = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(config.width)
        self.drop = nn.Dropout(config.dropout)
        self.out = nn.Linear(config.width, config.classes)
        self.expert, self.trend_expert = nn.ModuleDict(), nn.ModuleDict()
        for name, wide in widths.items():
            self.expert[name] = nn.Linear(wide, config.classes)
            if name in sequences:
                self.trend_expert[name] = nn.Linear(wide, config.classes)
        for answering in (self.out, self.expert, self.trend_expert):
            for parameter in answering.parameters():
                nn.init.zeros_(parameter)

    def standardise(self, name: str, values: Tensor) -> None:
        """Set the preprocessing of a modality from training features: (n, *shape); of none it stays as it is."""
        if len(values):
            flat = values.flatten(0, -2)
            self.get_buffer(f"mean_{name}").copy_(flat.mean(0))
            self.get_buffer(f"scale_{name}").copy_(flat.std(0, correction=0).clamp_min(1e-3))

    def forward(self, **inputs: Tensor) -> Tensor:
        """Score the classes.

        Args:
            inputs: for each modality `values_NAME` (n, *shape) and `present_NAME` bool (n).

        Returns:
            Logits (n, classes).
        """
        names = list(self.config.inputs)
        present = {name: inputs[PRESENT + name] for name in names}
        if self.training:
            present = self._drop_modalities(present)
        seen = {name: self.drop(self._standardised(name, inputs[VALUES + name])) for name in names}
        trends = {name: _slope(seen[name]) for name in self.trend_in}
        linear: Tensor | int = 0
        for name in names:
            said = self.expert[name](seen[name].mean(1) if name in trends else seen[name])
            if name in trends:
                said = said + self.trend_expert[name](trends[name])
            linear = linear + said * present[name].unsqueeze(1)
        mixed = self._mixed(seen, trends, present)
        logits: Tensor = LINEAR_RATE * linear + self.out(self.drop(self.norm(mixed)))
        return logits

    def _standardised(self, name: str, values: Tensor) -> Tensor:
        return (values - self.get_buffer(f"mean_{name}")) / self.get_buffer(f"scale_{name}")

    def _mixed(self, seen: Mapping[str, Tensor], trends: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Read all tokens into the class token: (n, width)."""
        first = next(iter(seen.values()))
        tokens = [first.new_zeros(len(first), 1, self.config.width)]
        absent = [torch.zeros(len(first), 1, dtype=torch.bool, device=first.device)]
        for name, values in seen.items():
            read = self.token_in[name](values)
            tokens.append(read if name in trends else read.unsqueeze(1))
            if name in trends:
                tokens.append(self.trend_in[name](trends[name]).unsqueeze(1))
            absent.append(~present[name].unsqueeze(1).expand(-1, self._tokens(name)))
        mixed: Tensor = self.mix(torch.cat(tokens, dim=1) + self.place, src_key_padding_mask=torch.cat(absent, dim=1))
        return mixed[:, 0]

    def _tokens(self, name: str) -> int:
        """How many tokens a modality has: one, or one a step and one for the trend."""
        shape = self.config.inputs[name]
        return shape[0] + 1 if len(shape) > 1 else 1

    def _drop_modalities(self, present: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Take from some clips one of their modalities: each owns an equal, separate part of a uniform draw's range."""
        if len(present) < 2:
            return dict(present)
        several = torch.stack(list(present.values())).sum(0) > 1
        draw = torch.rand(len(several), device=several.device)
        share = self.config.modality_dropout / len(present)
        step = (1 - share) / (len(present) - 1)
        lost = {
            name: (draw >= place * step) & (draw < place * step + share) if place else draw < share
            for place, name in enumerate(present)
        }
        return {name: has & ~(several & lost[name]) for name, has in present.items()}


class HeadWithLoss(nn.Module):
    """A head in the form that the trainer asks for: it takes `labels` and gives the loss beside the logits.

    Args:
        head: to be fitted; changed in place.
        kind: `single`: cross-entropy with class probabilities; `multi`: binary cross-entropy a class.
        smoothing: share of the target that is spread over all classes; `single` only.
    """

    def __init__(self, head: FusionHead, kind: Kind, smoothing: float) -> None:
        super().__init__()
        self.head = head
        self._kind = kind
        self._smoothing = smoothing

    def forward(self, labels: Tensor, **inputs: Tensor) -> dict[str, Tensor]:
        """Score clips and compare with their targets (n, classes)."""
        logits = self.head(**inputs)
        if self._kind is Kind.SINGLE:
            loss = functional.cross_entropy(logits, labels, label_smoothing=self._smoothing)
        else:
            loss = functional.binary_cross_entropy_with_logits(logits, labels)
        return {"loss": loss, "logits": logits}


def _slope(steps: Tensor) -> Tensor:
    """The least-squares slope of each feature over a sequence: (n, t, d) to (n, d), in units of half a clip."""
    count = steps.shape[1]
    time = torch.linspace(-1, 1, count, device=steps.device) if count > 1 else steps.new_zeros(1)
    return torch.einsum("t,ntd->nd", time / time.square().sum().clamp_min(1), steps)
