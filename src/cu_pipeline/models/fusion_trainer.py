import copy
from typing import Any

from torch import Tensor, nn
from transformers import TrainerCallback

from cu_pipeline.core.progress import Bar


class KeepBest(TrainerCallback):
    """Keeps the weights of the epoch with the least validation loss in memory and stops when it grows.

    Args:
        model: being fitted; gets its best weights back at the end.
        patience: epochs without a better loss after which fitting stops.
    """

    def __init__(self, model: nn.Module, patience: int) -> None:
        self._model = model
        self._patience = patience
        self._loss = float("inf")
        self._waited = 0
        self._weights: dict[str, Tensor] = {}

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Compare the epoch with the best."""
        loss = kwargs["metrics"]["eval_loss"]
        self._waited += 1
        if loss < self._loss:
            self._loss, self._waited = loss, 0
            self._weights = copy.deepcopy(self._model.state_dict())
        control.should_training_stop = self._waited >= self._patience

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Bring the best weights back."""
        if self._weights:
            self._model.load_state_dict(self._weights)


class EpochBar(TrainerCallback):
    """A progress bar over epochs on a terminal."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Open the bar."""
        self._bar = Bar("fit", int(args.num_train_epochs), "epoch")

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Move on."""
        self._bar.update()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Close the bar."""
        self._bar.close()
