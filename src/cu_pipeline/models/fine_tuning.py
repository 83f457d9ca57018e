"""Fitting transformers classifiers: a job in a folder, which any number of processes work on."""

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.models.checkpoints import fit_folder
from cu_pipeline.models.family import Examples, Fitted
from cu_pipeline.models.fine_tuning_launch import Launch, OutOfDeviceMemoryError
from cu_pipeline.models.fine_tuning_options import FineTuningOptions
from cu_pipeline.models.fit_job import TRAINING, VALIDATION, FitJob, last_checkpoint, read_result, write_rows

_log = logging.getLogger(__name__)

_UNSEEN: Final = frozenset({"device", "processes", "workers", "checkpoint_minutes", "checkpoint"})
"""Parameters that are no part of a fit's key, or a part in another form."""


def fine_tune(
    task: str,
    contents: tuple[Sequence[Any], Sequence[Any]],
    examples: tuple[Examples, Examples],
    kind: Kind,
    options: FineTuningOptions,
    seed: int,
) -> Fitted:
    """Fit a checkpoint to clips, or go on where a killed run stopped.

    Args:
        task: of the table of tasks.
        contents: what the network reads, of clips to learn from and of clips that choose between epochs.
        examples: the same clips.
        kind: of the capability.
        options: of the family.
        seed: of every random choice.

    Raises:
        ConfigurationError: not even one clip at a time fits into the device's memory, or a process failed.
        DivergedError: the loss ran away.
    """
    launch = Launch.of(options)
    job = FitJob(
        task=task,
        kind=kind,
        classes=examples[0].targets.shape[1],
        options=launch.options_of(options),
        seed=seed,
        threads=launch.threads,
        processes=launch.processes,
        part=-(-options.batch_size // launch.processes),
    )
    surroundings = options.surroundings() | launch.surroundings()
    with fit_folder(_key(job, contents, examples, surroundings)) as folder:
        if (ended := read_result(folder)) is None:
            for name, content, part in zip((TRAINING, VALIDATION), contents, examples, strict=True):
                write_rows(folder / name, content, part, kind, soft=options.soft_labels)
            _fit_in_parts(launch, job, folder)
            ended = read_result(folder)
    if ended is None:
        raise ConfigurationError(f"train.{task}: fitting ended without a model; see above")
    fitted, cost = ended
    _log.info("%s: %s", task, ", ".join(f"{name} {value}" for name, value in cost.items()))
    return fitted


def _fit_in_parts(launch: Launch, job: FitJob, folder: Path) -> None:
    """Fit, in smaller parts of a step wherever a device has too little memory."""
    part = job.part
    while True:
        if last_checkpoint(folder, job.processes) is not None:
            _log.info("%s: goes on from a checkpoint of an earlier run", job.task)
        job.of_part(part).write(folder)
        try:
            return launch.run(job, folder)
        except OutOfDeviceMemoryError:
            if part == 1:
                raise ConfigurationError(
                    f"train.{job.task}: not even one clip at a time fits into the device's memory: set "
                    "gradient_checkpointing, lora, or a precision of 16 bits, or choose a smaller checkpoint"
                ) from None
            part //= 2
            _log.warning("%s: too little memory on the device; %d clips at a time now", job.task, part)


def _key(
    job: FitJob, contents: tuple[Sequence[Any], Sequence[Any]], examples: tuple[Examples, Examples],
    surroundings: dict[str, str],
) -> str:  # fmt: skip
    """Hash all that decides a fit."""
    import torch
    import transformers

    digest = hashlib.sha256()
    for content, part in zip(contents, examples, strict=True):
        for one in content:
            for each in [one.encode()] if isinstance(one, str) else one:
                digest.update(hashlib.sha256(each).digest())
        digest.update(part.targets.tobytes())
    chosen = {name: value for name, value in job.options.items() if name not in _UNSEEN}
    decided = [job.task, job.kind.value, chosen, surroundings, job.seed, job.threads, job.processes]
    decided += [torch.__version__, transformers.__version__]
    return json_sha256([decided, digest.hexdigest()])[:32]
