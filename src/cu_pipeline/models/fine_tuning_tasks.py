"""What networks that are fine-tuned read, by name."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import torch
from torch import Tensor

from cu_pipeline.models.family import Weights
from cu_pipeline.models.text_task import TextTask
from cu_pipeline.models.video_task import VideoTask


class Task(Protocol):
    """From a checkpoint to a network, and from contents to its batches.

    Args:
        checkpoint: its folder.
        options: of the family.
    """

    def __init__(self, checkpoint: Path, options: Any) -> None: ...

    def network(self, classes: int) -> Any:
        """The checkpoint's network with a new head for so many classes."""

    def read(self, content: Any, drawn: torch.Generator | None) -> Any:
        """Read one clip's content.

        Args:
            content: as the fit's rows have it.
            drawn: for random choices in training; None: choose none at random.
        """

    def batch(self, contents: Sequence[Any]) -> dict[str, Any]:
        """Put what `read` gave into a batch that can be moved to a device: tensors, or lists of them."""

    def inputs(self, batch: dict[str, Any], *, training: bool) -> dict[str, Tensor]:
        """Make of a batch what the network takes, on the batch's device.

        Args:
            batch: as `batch` gives it.
            training: change it at random, by torch's own generators.
        """

    def kept(self) -> tuple[dict[str, Any], Weights]:
        """What a bundle keeps beside the network: JSON, and arrays."""


TASKS: Final[dict[str, type[Task]]] = {"text": TextTask, "video": VideoTask}
"""The tasks by the names of their families. A new one is a new file and a line here."""
