"""Parameters of fitting a transformers classifier."""

from typing import Annotated, Literal

from pydantic import Field

from cu_pipeline.core.options import Options
from cu_pipeline.features.checkpoint import Checkpoint, device_of, locate
from cu_pipeline.models.search_space import Dimension, Searched


class LoraOptions(Options):
    """Parameters of low-rank adaptation: the checkpoint's weights stay, and small matrices beside them are learned.

    Source: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (ICLR 2022).

    Attributes:
        rank: of the matrices.
        alpha: what they add is scaled by `alpha / rank`.
        dropout: share of their inputs dropped.
        targets: names of the layers that get them, or `all-linear`.
    """

    rank: int = Field(16, ge=1)
    alpha: float = Field(32.0, gt=0)
    dropout: float = Field(0.05, ge=0, lt=1)
    targets: str | tuple[str, ...] = "all-linear"


class FineTuningOptions(Options):
    """Parameters that all families share that fit a checkpoint with gradients.

    Attributes:
        checkpoint: what is fitted.
        lora: fits small matrices beside the weights; None: fits all weights.
        epochs: passes over the training clips at most; the epoch with the best validation loss is kept.
        patience: epochs without a better validation loss after which fitting stops.
        batch_size: clips a step, over all processes; where a device's memory is too small for its part, gradients of
            smaller parts are added up.
        learning_rate: peak of the schedule, a cosine.
        warmup: share of the steps in which it rises.
        weight_decay: of AdamW.
        label_smoothing: share of the target that is spread over all classes.
        imbalance: `weights`: rare classes count more; `logit_adjustment`: scores are learned beyond how common classes
            are (Menon et al., "Long-tail learning via logit adjustment", ICLR 2021); both leave the balance of
            probabilities to calibration.
        soft_labels: learns from class probabilities; else from the likeliest class, each clip weighed by how likely.
        device: `cpu`, `cuda`, or `auto`, the best there is.
        precision: `float32`, `bfloat16` or `float16` of the arithmetic, or `auto`: bfloat16 where the device has it.
            Weights are kept in float32.
        processes: that share a step, each with its device, started by accelerate; 0: one for each GPU. On a cluster
            `compute.workers` says how many.
        workers: processes that prepare batches, for each of them.
        gradient_checkpointing: computes activations again rather than keeping them: less memory, more time.
        compile: compiles the network first.
        checkpoint_minutes: between two checkpoints from which fitting goes on after a kill; each epoch ends with one.
    """

    checkpoint: Checkpoint
    lora: LoraOptions | None = None
    epochs: Annotated[int, Searched(Dimension(low=1, high=20, log=True))] = Field(5, ge=1)
    patience: int = Field(2, ge=1)
    batch_size: int = Field(16, ge=1)
    learning_rate: Annotated[float, Searched(Dimension(low=5e-6, high=5e-4, log=True))] = Field(3e-5, gt=0)
    warmup: float = Field(0.1, ge=0, lt=1)
    weight_decay: float = Field(0.01, ge=0)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    imbalance: Literal["none", "weights", "logit_adjustment"] = "none"
    soft_labels: bool = False
    device: str = "auto"
    precision: str = "auto"
    processes: int = Field(1, ge=0)
    workers: int = Field(0, ge=0)
    gradient_checkpointing: bool = False
    compile: bool = False
    checkpoint_minutes: float = Field(10.0, ge=0)

    def surroundings(self) -> dict[str, str]:
        """The files of the checkpoint, and the kind of device."""
        return {"checkpoint": locate(self.checkpoint).sha256, "device": device_of(self.device).partition(":")[0]}
