"""What networks that are fine-tuned read, by name."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import torch
from torch import Tensor

from cu_pipeline.models.family import Weights
from cu_pipeline.models.text_task import TextTask


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

    def batch(self, contents: Sequence[Any]) -> dict[str, Tensor]:
        """Put what `read` gave into the network's inputs."""

    def augmented(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Change a training batch at random, on its device, by torch's own generators."""

    def kept(self) -> tuple[dict[str, Any], Weights]:
        """What a bundle keeps beside the network: JSON, and arrays."""


TASKS: Final[dict[str, type[Task]]] = {"text": TextTask}
"""The tasks by the names of their families. A new one is a new file and a line here."""
