"""Fitting transformers classifiers: in this process, or in several that accelerate starts."""

import hashlib
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.errors import ConfigurationError, DivergedError
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.features.checkpoint import device_of
from cu_pipeline.models.checkpoints import fit_folder
from cu_pipeline.models.family import Examples, Fitted
from cu_pipeline.models.fine_tuning_options import FineTuningOptions
from cu_pipeline.models.fit_job import TRAINING, VALIDATION, FitJob, last_checkpoint, read_result, write_rows

_log = logging.getLogger(__name__)

OUT_OF_MEMORY: Final = "out_of_memory.txt"
"""What a process leaves whose device had too little memory."""

FAILURE: Final = "failure.txt"
DIVERGED: Final = "diverged.txt"
"""What a process says that cannot go on, in words."""

_UNSEEN: Final = frozenset({"device", "processes", "workers", "checkpoint_minutes", "checkpoint"})
"""Parameters that are no part of a fit's key, or a part in another form."""


class OutOfDeviceMemoryError(Exception):
    """A device had too little memory for its part of a step."""


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
    import torch

    processes = options.processes or max(torch.cuda.device_count() if device_of(options.device) != "cpu" else 1, 1)
    job = FitJob(
        task=task,
        kind=kind,
        classes=examples[0].targets.shape[1],
        options=options.model_dump(mode="json"),
        seed=seed,
        threads=torch.get_num_threads(),
        processes=processes,
        part=-(-options.batch_size // processes),
    )
    with fit_folder(_key(job, contents, examples, options)) as folder:
        if (ended := read_result(folder)) is None:
            for name, content, part in zip((TRAINING, VALIDATION), contents, examples, strict=True):
                write_rows(folder / name, content, part, kind, soft=options.soft_labels)
            _fit_in_parts(job, folder)
            ended = read_result(folder)
    if ended is None:
        raise ConfigurationError(f"train.{task}: fitting ended without a model; see above")
    fitted, cost = ended
    _log.info("%s: %s", task, ", ".join(f"{name} {value}" for name, value in cost.items()))
    return fitted


def _fit_in_parts(job: FitJob, folder: Path) -> None:
    """Fit, in smaller parts of a step wherever a device has too little memory."""
    part = job.part
    while True:
        if last_checkpoint(folder, job.processes) is not None:
            _log.info("%s: goes on from a checkpoint of an earlier run", job.task)
        job.of_part(part).write(folder)
        try:
            return _run(folder, job)
        except OutOfDeviceMemoryError:
            if part == 1:
                raise ConfigurationError(
                    f"train.{job.task}: not even one clip at a time fits into the device's memory: set "
                    "gradient_checkpointing, lora, or a precision of 16 bits, or choose a smaller checkpoint"
                ) from None
            part //= 2
            _log.warning("%s: too little memory on the device; %d clips at a time now", job.task, part)


def _run(folder: Path, job: FitJob) -> None:
    from cu_pipeline.models.fine_tuning_process import run

    if job.processes == 1:
        return run(folder)
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", str(job.processes)]
    launcher += ["--num_machines", "1", "--main_process_port", "0", "--dynamo_backend", "no", "--mixed_precision", "no"]
    launcher += ["--cpu"] if device_of(job.options["device"]) == "cpu" else ["--multi_gpu"]
    command = [*launcher, "--module", "cu_pipeline.models.fine_tuning_process", str(folder)]
    inherited = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]))
    threads = {"OMP_NUM_THREADS": str(job.threads)}
    told = {FAILURE: ConfigurationError, DIVERGED: DivergedError}
    for name in told:
        (folder / name).unlink(missing_ok=True)
    ended = subprocess.run(command, env=os.environ | threads | {"PYTHONPATH": inherited}, check=False)
    if ended.returncode and (folder / OUT_OF_MEMORY).exists():
        (folder / OUT_OF_MEMORY).unlink()
        raise OutOfDeviceMemoryError
    for name, error in told.items():
        if ended.returncode and (folder / name).exists():
            raise error((folder / name).read_text(encoding="utf-8"))
    if ended.returncode:
        raise ConfigurationError(
            f"train.{job.task}.processes={job.processes}: one of them failed (status {ended.returncode}); what it said "
            "stands above. With processes=1 it is fitted in this process"
        )
    return None


def _key(
    job: FitJob, contents: tuple[Sequence[Any], Sequence[Any]], examples: tuple[Examples, Examples],
    options: FineTuningOptions,
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
    decided = [job.task, job.kind.value, chosen, options.surroundings(), job.seed, job.threads, job.processes]
    decided += [torch.__version__, transformers.__version__]
    return json_sha256([decided, digest.hexdigest()])[:32]
