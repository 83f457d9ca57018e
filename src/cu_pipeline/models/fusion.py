import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.options import Options
from cu_pipeline.features.clip_features import ClipFeatures
from cu_pipeline.features.onnx_network import Network
from cu_pipeline.models.family import Examples, Fitted, History, Logits, Weights, reads_vectors
from cu_pipeline.models.fusion_graph import PRESENT, VALUES, fusion_model
from cu_pipeline.models.search_space import Dimension, Searched

if TYPE_CHECKING:
    from cu_pipeline.models.fusion_network import FusionHead

_NAMES: Final = {"loss": "loss", "eval_loss": "val_loss", "learning_rate": "learning_rate"}

_TOGETHER: Final = 512
"""Clips that are scored at a time, on one core."""


class FusionOptions(Options):
    """Parameters of the fusion head and of fitting it.

    Attributes:
        epochs: passes over the training clips at most; the epoch with the best validation loss is kept.
        patience: epochs without a better validation loss after which fitting stops.
        batch_size: clips a step.
        learning_rate: peak of the schedule.
        weight_decay: of AdamW.
        label_smoothing: share of the target that is spread over all classes.
        width: of the head's tokens.
        layers: of the head's transformer.
        heads: of its attention.
        dropout: share of activations dropped.
        modality_dropout: chance that a clip with several modalities loses one of them.
    """

    epochs: Annotated[int, Searched(Dimension(low=10, high=80, log=True))] = Field(40, ge=1)
    patience: int = Field(10, ge=1)
    batch_size: int = Field(32, ge=1)
    learning_rate: Annotated[float, Searched(Dimension(low=1e-4, high=1e-2, log=True))] = Field(3e-4, gt=0)
    weight_decay: Annotated[float, Searched(Dimension(low=1e-3, high=1.0, log=True))] = Field(0.05, ge=0)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    width: int = Field(64, ge=8)
    layers: int = Field(1, ge=1, le=12)
    heads: int = Field(4, ge=1)
    dropout: Annotated[float, Searched(Dimension(low=0.0, high=0.8))] = Field(0.5, ge=0, lt=1)
    modality_dropout: float = Field(0.5, ge=0, lt=1)


class FusionModel:
    """A fitted fusion head, in ONNX Runtime.

    Args:
        network: from features to logits.
        inputs: the modalities that it reads.
        classes: how many it tells apart.
    """

    def __init__(self, network: Network, inputs: Sequence[str], classes: int) -> None:
        self._network = network
        self._inputs = inputs
        self._classes = classes

    def logits(self, features: ClipFeatures) -> Logits:
        """Score clips: float32 (n, classes)."""
        batches = (self._batch(features, start) for start in range(0, len(features), _TOGETHER))
        return np.concatenate([np.empty((0, self._classes), dtype=np.float32), *self._network.run(batches)])

    def _batch(self, features: ClipFeatures, start: int) -> dict[str, NDArray[Any]]:
        found: dict[str, NDArray[Any]] = {}
        for name in self._inputs:
            feature = features[name]
            found[VALUES + name] = np.asarray(feature.values[start : start + _TOGETHER], dtype=np.float32)
            found[PRESENT + name] = feature.present[start : start + _TOGETHER]
        return found


class Fusion:
    """Linear experts and a small transformer over all vector features: `fusion_network.FusionHead`."""

    options: ClassVar[type[Options]] = FusionOptions
    revision: ClassVar[int | str] = 1

    def reads(self, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
        """All vectors."""
        return reads_vectors(shapes)

    def fit(self, train: Examples, validation: Examples, kind: Kind, options: FusionOptions, seed: int) -> Fitted:
        """Fit a head by AdamW; the epoch with the best validation loss is kept, the last one without validation."""
        import torch

        from cu_pipeline.models.fusion_network import FusionHead, HeadConfig

        torch.manual_seed(seed)
        shape = options.model_dump(include={"width", "layers", "heads", "dropout", "modality_dropout"})
        inputs = {name: feature.values.shape[1:] for name, feature in train.features.features.items()}
        head = FusionHead(HeadConfig(classes=train.targets.shape[1], inputs=inputs, **shape))
        for name, feature in train.features.features.items():
            head.standardise(name, torch.from_numpy(feature.values[feature.present]))
        history = _run_trainer(head, train, validation, kind, options, seed)
        return fitted_head(head, history)

    def load(self, config: dict[str, Any], weights: Weights) -> FusionModel:
        """Put the network together from its weights; torch is not needed."""
        inputs = {name: tuple(shape) for name, shape in config["inputs"]}
        network = Network(fusion_model(config | {"inputs": inputs}, weights))
        return FusionModel(network, list(inputs), config["classes"])


def fitted_head(head: "FusionHead", history: History) -> Fitted:
    """What a bundle keeps of a head."""
    weights = {name: value.detach().cpu().contiguous().numpy() for name, value in head.state_dict().items()}
    inputs = [[name, list(shape)] for name, shape in head.config.inputs.items()]
    return Fitted(asdict(head.config) | {"inputs": inputs}, weights, history)


class _Rows:
    """Examples as the trainer reads them, one at a time."""

    def __init__(self, examples: Examples) -> None:
        self._targets = examples.targets
        features = examples.features.features
        self._columns: dict[str, NDArray[Any]] = {VALUES + name: feature.values for name, feature in features.items()}
        self._columns |= {PRESENT + name: feature.present for name, feature in features.items()}

    def __len__(self) -> int:
        return len(self._targets)

    def __getitem__(self, row: int) -> dict[str, Any]:
        return {name: column[row] for name, column in self._columns.items()} | {"labels": self._targets[row]}


def _run_trainer(
    head: "FusionHead", train: Examples, validation: Examples, kind: Kind, options: FusionOptions, seed: int
) -> History:
    from transformers import PrinterCallback, Trainer, TrainingArguments

    from cu_pipeline.models.fusion_network import HeadWithLoss
    from cu_pipeline.models.fusion_trainer import EpochBar, KeepBest

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
            remove_unused_columns=False,
            dataloader_pin_memory=False,
            disable_tqdm=True,
            report_to=[],
            seed=seed,
            full_determinism=True,
        )
        trainer = Trainer(
            model, arguments, train_dataset=_Rows(train), eval_dataset=_Rows(validation), callbacks=callbacks
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    head.eval().cpu()
    return _history(trainer.state.log_history)


def _history(log: list[dict[str, float]]) -> History:
    """Join the trainer's records of an epoch: training loss, validation loss."""
    epochs: dict[int, dict[str, float]] = {}
    for record in log:
        row = epochs.setdefault(round(record["epoch"]), {"epoch": round(record["epoch"])})
        row |= {ours: record[name] for name, ours in _NAMES.items() if name in record}
    return [row for row in epochs.values() if "loss" in row]
