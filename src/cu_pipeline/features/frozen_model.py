"""Pretrained networks of transformers that stay as they are, in torch, on a CPU or a GPU."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.options import Options
from cu_pipeline.features.checkpoint import (
    Checkpoint,
    CheckpointFiles,
    device_of,
    dtype_of,
    locate,
    pinned,
)
from cu_pipeline.features.checkpoint_loading import loading, tokenizer_of
from cu_pipeline.features.extractor import Vectors

_DEVICE: Final = r"^(auto|cpu|cuda(:\d+)?)$"

Batch = Mapping[str, NDArray[Any]]
"""A network's inputs by name."""


class FrozenModelOptions(Options):
    """What frozen encoders have in common.

    Attributes:
        checkpoint: the pretrained model.
        batch: inputs that are encoded together, at most.
        device: `auto` (a GPU where torch finds one), `cpu`, `cuda`, or one GPU, such as `cuda:1`.
        precision: `auto` (bfloat16 on a GPU that has it, else float32), `float32`, `bfloat16` or `float16`.
    """

    checkpoint: Checkpoint
    batch: int = Field(32, ge=1, le=4096)
    device: str = Field("auto", pattern=_DEVICE)
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"


@dataclass(frozen=True)
class FrozenModel:
    """A checkpoint, and where and how precisely it runs; pickled, it carries no network.

    Attributes:
        checkpoint: the pretrained model.
        device: as parameters have it.
        precision: as parameters have it.
    """

    checkpoint: Checkpoint
    device: str
    precision: str

    def __getstate__(self) -> dict[str, Any]:
        return {"checkpoint": self.checkpoint, "device": self.device, "precision": self.precision}

    @property
    def parameters(self) -> dict[str, Any]:
        """What makes it again, with the same values, on another machine.

        A commit stands for a branch and the precision for `auto`, since both decide values; `auto` stands for a GPU.
        """
        return {
            "checkpoint": pinned(self.checkpoint).model_dump(),
            "device": "cpu" if self.device == "cpu" else "auto",
            "precision": self.computes_in,
        }

    @cached_property
    def files(self) -> CheckpointFiles:
        """The checkpoint on this machine.

        Raises:
            ConfigurationError: it is not at hand.
        """
        return locate(self.checkpoint)

    @cached_property
    def computes_in(self) -> str:
        """The precision: float32, bfloat16 or float16."""
        if self.precision != "auto":
            return self.precision
        return str(dtype_of(self.precision, device_of(self.device))).removeprefix("torch.")

    @cached_property
    def config(self) -> Any:
        """The checkpoint's configuration as transformers reads it; no weights are loaded.

        Raises:
            ConfigurationError: this version of transformers does not know the model.
        """
        from transformers import AutoConfig

        with loading(self.files.folder):
            return AutoConfig.from_pretrained(self.files.folder, local_files_only=True)

    @cached_property
    def tokenizer(self) -> Any:
        """The checkpoint's tokenizer.

        Raises:
            ConfigurationError: it has none.
        """
        return tokenizer_of(self.files.folder)

    @cached_property
    def network(self) -> Any:
        """The network with its weights, on its device.

        Raises:
            ConfigurationError: the device is not there, or weights are absent or damaged.
        """
        import torch
        from transformers import AutoModel

        device = device_of(self.device)
        with loading(self.files.folder):
            network, found = AutoModel.from_pretrained(
                self.files.folder, local_files_only=True, use_safetensors=True, dtype=torch.float32,
                output_loading_info=True,
            )  # fmt: skip
            if absent := sorted(found["missing_keys"]):
                raise ValueError(f"{len(absent)} of the network's weights are absent, such as {absent[0]}")
        return network.eval().to(device)

    def run(self, forward: Callable[[Any], Any], batches: Iterable[Batch]) -> Vectors:
        """Encode batches, each of which is on its way to the device while the one before is computed.

        Args:
            forward: turns a batch of tensors on the device into a tensor (rows, width).
            batches: at least one.

        Returns:
            float32 (rows, width), all batches one after the other, each row of length 1.

        Raises:
            ConfigurationError: a batch does not fit in the GPU's memory.
        """
        import torch

        self.network  # noqa: B018 - it is loaded before anything is sent
        device, dtype = torch.device(device_of(self.device)), getattr(torch, self.computes_in)
        lower = torch.autocast(device.type, dtype, enabled=dtype is not torch.float32)
        try:
            with torch.inference_mode(), lower:
                found = [torch.nn.functional.normalize(forward(batch).float()) for batch in _sent(batches, device)]
                vectors: Vectors = torch.cat(found).cpu().numpy()
        except torch.OutOfMemoryError as error:
            raise ConfigurationError(
                f"checkpoint {self.checkpoint.name!r}: a batch does not fit in the memory of {device} ({error}). Lower "
                "`batch` of this extractor in featurize.extractors, or end what else uses the GPU"
            ) from error
        return vectors


def _sent(batches: Iterable[Batch], device: Any) -> Iterator[dict[str, Any]]:
    """Bring batches to a device, to a GPU one ahead of what is computed, from pinned memory on a stream of its own."""
    import torch

    cuda: Any = torch.cuda
    if device.type != "cuda":
        for batch in batches:
            yield {name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in batch.items()}
        return
    copying = cuda.Stream(device)
    ahead: tuple[dict[str, Any], Any] | None = None
    for batch in batches:
        with cuda.stream(copying):
            pages = {name: torch.from_numpy(np.ascontiguousarray(one)).pin_memory() for name, one in batch.items()}
            sending = {name: page.to(device, non_blocking=True) for name, page in pages.items()}
            sent = copying.record_event()
        if ahead is not None:
            yield _arrived(*ahead, device)
        ahead = sending, sent
    if ahead is not None:
        yield _arrived(*ahead, device)


def _arrived(tensors: dict[str, Any], sent: Any, device: Any) -> dict[str, Any]:
    """Let the stream that computes wait for a batch, and keep its memory until that stream has read it."""
    import torch

    computing = torch.cuda.current_stream(device)
    computing.wait_event(sent)
    for tensor in tensors.values():
        tensor.record_stream(computing)
    return tensors
