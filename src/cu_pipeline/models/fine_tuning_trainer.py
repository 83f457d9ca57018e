"""transformers' trainer with our objective, on clips that a fit keeps on the disk."""

import math
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import EarlyStoppingCallback, Trainer, TrainerCallback, TrainingArguments
from transformers.utils import SAFE_WEIGHTS_NAME

from cu_pipeline.core.atomic import no_space_told
from cu_pipeline.core.capability import Kind
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.progress import Bar
from cu_pipeline.models.fine_tuning_options import FineTuningOptions
from cu_pipeline.models.fine_tuning_tasks import Task
from cu_pipeline.models.fit_job import FitRows, mark_complete


class Contents(torch.utils.data.Dataset[dict[str, Any]]):
    """Clips as the trainer takes them, one at a time.

    Args:
        rows: of the fit.
        task: reads contents.
        seed: of what is drawn anew in each epoch, by epoch and clip alone, so that a resumed fit draws the same; None:
            nothing is drawn.
    """

    def __init__(self, rows: FitRows, task: Task, seed: int | None) -> None:
        self._rows, self._task, self._seed = rows, task, seed
        self.epoch = 0

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, row: int) -> dict[str, Any]:
        drawn = None
        if self._seed is not None:
            drawn = torch.Generator().manual_seed(hash((self._seed, self.epoch, row)) % 2**63)
        content = self._task.read(self._rows.contents[row].as_py(), drawn)
        return {"content": content, "labels": self._rows.targets[row], "weights": self._rows.weights[row]}


class Collator:
    """Puts clips into a batch."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """`labels` (n, classes), first since the trainer takes their length for n, `weights` (n), and the contents."""
        labels = torch.stack([torch.as_tensor(row["labels"]) for row in rows])
        weights = torch.tensor([float(row["weights"]) for row in rows])
        return {"labels": labels, "weights": weights} | self._task.batch([row["content"] for row in rows])


class Objective:
    """The loss of a batch.

    Args:
        training: clips to learn from, for how common classes are.
        kind: `single`: cross-entropy; `multi`: binary cross-entropy a class.
        options: of the family.
    """

    def __init__(self, training: FitRows, kind: Kind, options: FineTuningOptions) -> None:
        self._kind, self._smoothing, self._imbalance = kind, options.label_smoothing, options.imbalance
        often = torch.from_numpy((training.targets * training.weights[:, None]).sum(0)) + 0.5
        self._share = often / (often.sum() if kind is Kind.SINGLE else float(training.weights.sum()) + 1)

    def __call__(
        self, logits: Tensor, labels: Tensor, weights: Tensor, *, training: bool, total: Tensor | None = None
    ) -> Tensor:
        """The mean over clips, weighted; without smoothing and the like where it is to be compared.

        Args:
            logits: (n, classes).
            labels: (n, classes).
            weights: (n).
            training: whether it is to be learned from.
            total: what the sum over clips is divided by, where they are a part of a step; None: by their own weights.
        """
        share = self._share.to(logits.device)
        if training and self._imbalance == "logit_adjustment":
            logits = logits + (share.log() if self._kind is Kind.SINGLE else share.log() - (-share).log1p())
        balance = None
        if training and self._imbalance == "weights":
            balance = 1 / (share * len(share)) if self._kind is Kind.SINGLE else (1 - share) / share
        if self._kind is Kind.SINGLE:
            smoothing = self._smoothing if training else 0.0
            losses = functional.cross_entropy(logits, labels, balance, reduction="none", label_smoothing=smoothing)
        else:
            losses = functional.binary_cross_entropy_with_logits(
                logits, labels, pos_weight=balance, reduction="none"
            ).mean(1)
        return (losses * weights).sum() / (weights.sum() if total is None else total).clamp_min(1e-6)


class PlainNetwork(nn.Module):
    """A network whose checkpoints have its own names of weights.

    transformers saves some networks under other names, VideoMAE's among them, and its trainer then finds no such
    weights when it goes on from a checkpoint or takes the best one, and says nothing.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, **inputs: Tensor) -> Any:
        """What the network gives."""
        return self.network(**inputs)


class ClassifierTrainer(Trainer):
    """The trainer with our objective, on batches of which the task makes the network's inputs on the device."""

    def __init__(
        self,
        model: nn.Module,
        arguments: TrainingArguments,
        *,
        task: Task,
        objective: Objective,
        options: FineTuningOptions,
        **data: Any,
    ) -> None:
        self.course = Course(data["train_dataset"], options.checkpoint_minutes)
        callbacks: list[TrainerCallback] = [self.course]
        if arguments.load_best_model_at_end:
            callbacks.append(EarlyStoppingCallback(options.patience))
        super().__init__(model, arguments, callbacks=callbacks, **data)
        self.loss_is_scaled_for_ga = False
        self._task, self._objective = task, objective
        self._step_weight: Tensor | None = None

    def get_batch_samples(
        self, epoch_iterator: Any, num_batches: int, device: torch.device
    ) -> tuple[list[dict[str, Any]], Any]:
        """The batches of a step, and what its clips weigh in all processes, so that it is the step of one process.

        Clips that were put in again to fill the last batches of an epoch weigh nothing.
        """
        samples, count = super().get_batch_samples(epoch_iterator, num_batches, device)
        several = self.args.world_size > 1
        # accelerate knows no remainder of an epoch that is resumed half-way
        remainder = len(self.train_dataset) % (self.args.per_device_train_batch_size * self.args.world_size)
        if several and samples and self.accelerator.gradient_state.end_of_dataloader and remainder:
            weights = samples[-1]["weights"]
            places = torch.arange(len(weights), device=weights.device) + len(weights) * self.args.process_index
            samples[-1]["weights"] = weights * (places < remainder)
        self._step_weight = None
        if several or len(samples) > 1:
            weight = torch.stack([one["weights"].sum() for one in samples]).sum().to(device)
            self._step_weight = self.accelerator.gather(weight).sum() if several else weight
        return samples, count

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Write the weights of a checkpoint, those that two layers share once."""
        from safetensors.torch import save_model

        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        save_model(self.accelerator.unwrap_model(self.model, keep_torch_compile=False), str(folder / SAFE_WEIGHTS_NAME))

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        """Write a checkpoint, and tell where it does not fit on the disk."""
        with no_space_told(Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"):
            super()._save_checkpoint(model, trial)

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The loss of a batch, and the outputs where they are asked for."""
        given = dict(inputs)
        labels, weights = given.pop("labels"), given.pop("weights")
        prepared = self._task.inputs(given, training=model.training)
        try:
            outputs = model(**prepared)
        except (ValueError, LookupError, TypeError) as error:
            raise ConfigurationError(
                f"the network cannot read what its checkpoint's other files have prepared ({error}): name a checkpoint "
                "whose tokenizer or processor is the network's own"
            ) from error
        logits = outputs.logits.float().reshape(labels.shape)
        total = self._step_weight if model.training else None
        if total is not None:  # of a part of a step; parts, and processes, are averaged
            total = total / (self.args.world_size * self.current_gradient_accumulation_steps)
        loss = self._objective(logits, labels, weights, training=model.training, total=total)
        return (loss, {"logits": logits}) if return_outputs else loss


def ran_away(record: dict[str, float], *, half: bool) -> bool:
    """Whether a record of the log has a loss that is no number.

    Args:
        record: of a step or of a validation.
        half: computed in float16, where a step's loss may overflow; that step is then left out.
    """
    return any(math.isnan(record.get(name, 0.0)) for name in ("eval_loss", *(() if half else ("loss",))))


class Course(TrainerCallback):
    """Shows how far a fit is, tells the data the epoch, and has checkpoints written from time to time."""

    def __init__(self, data: Contents, minutes: float) -> None:
        self._data, self._minutes = data, minutes
        self._saved = time.monotonic()
        self._bar: Bar | None = None
        self._steps: list[float] = []

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Open the bar."""
        if state.is_world_process_zero:
            self._bar = Bar("fine-tune", int(state.max_steps), "step")
            self._bar.update(state.global_step)

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """What is drawn in an epoch depends on its number."""
        self._data.epoch = int(state.epoch or 0)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Move on, and save if it is time; the first process's clock is everybody's.

        An epoch's last step is saved after the epoch has been validated: the trainer would take it for validated.
        """
        from accelerate.utils import broadcast_object_list

        self._steps.append(time.monotonic())
        if self._bar is not None:
            self._bar.update()
        ends = state.global_step % (state.max_steps // int(args.num_train_epochs)) == 0
        due = [not ends and time.monotonic() - self._saved >= self._minutes * 60]
        if args.world_size > 1:
            broadcast_object_list(due)
        control.should_save = control.should_save or due[0]

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Stop where a loss is no number any more: the weights will never be again."""
        if ran_away(state.log_history[-1], half=args.fp16):
            control.should_training_stop = True

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Say that this process's share of the checkpoint is whole."""
        self._saved = time.monotonic()
        mark_complete(Path(args.output_dir) / f"checkpoint-{state.global_step}", args.process_index)

    @property
    def steps_per_s(self) -> float | None:
        """How fast steps follow one another, by the median of the times between two; None: there was one at most."""
        between = sorted(later - earlier for earlier, later in pairwise(self._steps))
        return 1 / between[len(between) // 2] if between else None

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()
