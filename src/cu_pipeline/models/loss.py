from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional

from cu_pipeline.core.capability import Kind

if TYPE_CHECKING:
    from cu_pipeline.models.fusion_network import FusionHead


class HeadWithLoss(nn.Module):
    """A head in the form that the trainer asks for: it takes `labels` and gives the loss beside the logits.

    Args:
        head: to be fitted; changed in place.
        kind: `single`: cross-entropy with class probabilities; `multi`: binary cross-entropy a class.
        smoothing: share of the target that is spread over all classes; `single` only.
    """

    def __init__(self, head: "FusionHead", kind: Kind, smoothing: float) -> None:
        super().__init__()
        self.head = head
        self._kind = kind
        self._smoothing = smoothing

    def forward(
        self, frames: Tensor, has_frames: Tensor, caption: Tensor, has_caption: Tensor, labels: Tensor
    ) -> dict[str, Tensor]:
        """Score clips and compare with their targets (n, classes)."""
        logits = self.head(frames, has_frames, caption, has_caption)
        if self._kind is Kind.SINGLE:
            loss = functional.cross_entropy(logits, labels, label_smoothing=self._smoothing)
        else:
            loss = functional.binary_cross_entropy_with_logits(logits, labels)
        return {"loss": loss, "logits": logits}
