"""Transformers networks in bundles."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from cu_pipeline.core.errors import BundleError
from cu_pipeline.features.checkpoint_loading import loading
from cu_pipeline.models.family import Weights

PREFIX: Final = "network/"


def pretrained(auto_model: Any, folder: Path, classes: int) -> Any:
    """Load a checkpoint's network with a new head, unless it has one for so many classes; float32.

    Args:
        auto_model: the class of transformers that knows architectures of its kind.
        folder: of the checkpoint.
        classes: outputs.

    Raises:
        ConfigurationError: it is of another kind, or damaged.
    """
    import torch

    with loading(folder):
        return auto_model.from_pretrained(
            folder, num_labels=classes, ignore_mismatched_sizes=True, local_files_only=True, use_safetensors=True,
            dtype=torch.float32,
        )  # fmt: skip


def load_network(auto_model: Any, config: dict[str, Any], weights: Weights, device: str) -> Any:
    """Build a network with its weights, ready for inference.

    Args:
        auto_model: the class of transformers that knows architectures of its kind.
        config: of the network, as `to_diff_dict` gives it with `model_type`.
        weights: of the bundle.
        device: where it shall run.

    Raises:
        BundleError: this installation knows no such network, or the weights do not fit it.
    """
    import torch
    from transformers import AutoConfig

    own = {name.removeprefix(PREFIX): value for name, value in weights.items() if name.startswith(PREFIX)}
    try:
        settings = dict(config)
        network = auto_model.from_config(AutoConfig.for_model(settings.pop("model_type"), **settings))
        network.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in own.items()})
    except (RuntimeError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"weights do not fit the {config.get('model_type')!r} network: {error}") from error
    return network.float().eval().to(device)


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep transformers from reporting on weights, a new head among them, and from showing bars of its own."""
    from transformers.utils import logging

    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()
