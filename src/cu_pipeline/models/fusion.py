import tempfile
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.capability import Kind
from cu_pipeline.features.clip_features import ClipFeatures
from cu_pipeline.models.options import TrainOptions
from cu_pipeline.models.targets import Targets

if TYPE_CHECKING:
    from torch import Tensor

    from cu_pipeline.models.fusion_network import FusionHead

History = list[dict[str, float]]


@dataclass(frozen=True)
class Examples:
    """Features with what the head shall answer.

    Attributes:
        features: of n clips.
        targets: float32 (n, classes).
    """

    features: ClipFeatures
    targets: Targets

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, rows: NDArray[np.int64]) -> "Examples":
        """Give the clips at the positions `rows`."""
        return Examples(self.features.take(rows), self.targets[rows])

    def __getitem__(self, row: int) -> dict[str, Any]:
        features = self.features
        return {
            "frames": features.frames[row],
            "has_frames": features.has_frames[row],
            "caption": features.caption[row],
            "has_caption": features.has_caption[row],
            "labels": self.targets[row],
        }


@dataclass(frozen=True)
class Fitted:
    """What fitting gives.

    Attributes:
        head: shape of the head, as keyword arguments of `HeadConfig`.
        weights: its state at the best epoch.
        history: a record an epoch: epoch, loss, val_loss.
        validation_logits: float32 (validation clips, classes) at the best epoch.
    """

    head: dict[str, Any]
    weights: "dict[str, Tensor]"
    history: History
    validation_logits: Targets


def fit(train: Examples, validation: Examples, kind: Kind, options: TrainOptions, seed: int) -> Fitted:
    """Fit a head; the same arguments, machine kind and thread count give the same bytes.

    Args:
        train: clips to learn from.
        validation: clips that choose the epoch; none: the last epoch is kept.
        kind: of the capability; decides the loss.
        options: of the head and of fitting.
        seed: of every random choice.
    """
    import torch

    from cu_pipeline.models.fusion_network import FusionHead, HeadConfig

    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(seed)
    config = HeadConfig(
        classes=train.targets.shape[1],
        frames=train.features.frames.shape[1],
        frame_width=train.features.frames.shape[2],
        caption_width=train.features.caption.shape[1],
        width=options.width,
        layers=options.layers,
        heads=options.heads,
        dropout=options.dropout,
        modality_dropout=options.modality_dropout,
    )
    head = FusionHead(config)
    present = train.features.has_frames, train.features.has_caption
    head.standardise(
        torch.from_numpy(train.features.frames[present[0]]), torch.from_numpy(train.features.caption[present[1]])
    )
    history = _run_trainer(head, train, validation, kind, options, seed)
    weights = {name: value.detach().cpu().contiguous() for name, value in head.state_dict().items()}
    return Fitted(asdict(config), weights, history, head_logits(head, validation.features))


def head_logits(head: "FusionHead", features: ClipFeatures) -> Targets:
    """Score clips with a head: float32 (n, classes)."""
    import torch

    head.eval().cpu()
    with torch.inference_mode():
        logits: Targets = head(*(torch.from_numpy(part) for part in features.parts())).numpy()
    return logits


def _run_trainer(
    head: "FusionHead", train: Examples, validation: Examples, kind: Kind, options: TrainOptions, seed: int
) -> History:
    from transformers import PrinterCallback, Trainer, TrainingArguments

    from cu_pipeline.models.fusion_trainer import EpochBar, KeepBest
    from cu_pipeline.models.loss import HeadWithLoss

    model = HeadWithLoss(head, kind, options.label_smoothing)
    callbacks = [EpochBar()] + ([KeepBest(model, options.patience)] if len(validation) else [])
    with tempfile.TemporaryDirectory() as scratch:
        arguments = TrainingArguments(
            output_dir=scratch,
            num_train_epochs=options.epochs,
            per_device_train_batch_size=options.batch_size,
            per_device_eval_batch_size=512,
            learning_rate=options.learning_rate,
            weight_decay=options.weight_decay,
            lr_scheduler_type="cosine",
            warmup_steps=0.1,
            eval_strategy="epoch" if len(validation) else "no",
            logging_strategy="epoch",
            save_strategy="no",
            label_names=["labels"],
            dataloader_pin_memory=False,
            disable_tqdm=True,
            report_to=[],
            seed=seed,
            full_determinism=True,
        )
        trainer = Trainer(model, arguments, train_dataset=train, eval_dataset=validation, callbacks=callbacks)
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return _history(trainer.state.log_history)


def _history(log: list[dict[str, float]]) -> History:
    """Join the trainer's records of an epoch: training loss, validation loss."""
    epochs: dict[int, dict[str, float]] = {}
    for record in log:
        row = epochs.setdefault(round(record["epoch"]), {"epoch": round(record["epoch"])})
        row |= {ours: record[name] for name, ours in _NAMES.items() if name in record}
    return [row for row in epochs.values() if "loss" in row]


_NAMES = {"loss": "loss", "eval_loss": "val_loss", "learning_rate": "learning_rate"}
