"""A fit on disk: what is learned from what, what it has reached, and what came of it."""

import json
import logging
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cu_pipeline.core.atomic import atomic_path, write_text
from cu_pipeline.core.capability import Kind
from cu_pipeline.core.hashing import file_sha256
from cu_pipeline.models.family import Examples, Fitted, History, Targets, Weights
from cu_pipeline.models.logistic import hard_labels

TRAINING: Final = "training.arrow"
VALIDATION: Final = "validation.arrow"
CHECKPOINTS: Final = "checkpoints"
_JOB: Final = "job.json"
_WEIGHTS: Final = "model.safetensors"
_RESULT: Final = "result.json"
_COMPLETE: Final = "complete"
_OF_A_PROCESS: Final = ("rng_state", _COMPLETE)
_TOGETHER: Final = 256
"""Clips that are in memory at once while they are written."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FitJob:
    """What every process of a fit is told.

    Attributes:
        task: of the table of tasks: what is read, and by which kind of network.
        kind: of the capability.
        classes: how many.
        options: of the family, as JSON.
        seed: of every random choice.
        threads: CPU threads of each process.
        processes: that share a step.
        part: clips that a process takes at once; gradients of several such parts add up to a step.
    """

    task: str
    kind: Kind
    classes: int
    options: dict[str, Any]
    seed: int
    threads: int
    processes: int
    part: int

    def of_part(self, part: int) -> "FitJob":
        """The same fit in other parts of a step."""
        return replace(self, part=part)

    def write(self, folder: Path) -> None:
        """Tell the processes."""
        write_text(folder / _JOB, json.dumps(asdict(self) | {"kind": self.kind.value}))

    @classmethod
    def read(cls, folder: Path) -> Self:
        """What the parent wrote."""
        given = json.loads((folder / _JOB).read_text(encoding="utf-8"))
        return cls(**given | {"kind": Kind(given["kind"])})


@dataclass(frozen=True)
class FitRows:
    """Clips to learn from as a process reads them: contents stay on the disk.

    Attributes:
        contents: a column of texts, or of lists of pictures.
        targets: float32 (n, classes).
        weights: float32 (n): how much a clip counts.
    """

    contents: pa.ChunkedArray
    targets: Targets
    weights: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.targets)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Map the file into memory."""
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        columns = [np.array(table.column(name).to_pylist(), dtype=np.float32) for name in ("target", "weight")]
        return cls(table.column("content"), columns[0], columns[1])


def write_rows(path: Path, contents: Sequence[Any], examples: Examples, kind: Kind, *, soft: bool) -> None:
    """Write clips for the processes.

    Args:
        path: of the file.
        contents: n texts, or n lists of pictures.
        examples: the same clips.
        kind: of the capability.
        soft: learn from probabilities; else from the likeliest answer, weighed by how likely it is.
    """
    answers = hard_labels(examples.targets, kind)
    targets = examples.targets if soft else answers.truth.astype(np.float32)
    weights = np.ones(len(examples), dtype=np.float32) if soft else answers.weight.astype(np.float32)
    kind_of_content = pa.string() if not len(contents) or isinstance(contents[0], str) else pa.list_(pa.binary())
    fields = {"content": kind_of_content, "target": pa.list_(pa.float32()), "weight": pa.float32()}
    schema = pa.schema(list(fields.items()))
    with atomic_path(path) as temporary, pa.ipc.new_file(str(temporary), schema) as file:
        for start in range(0, len(contents), _TOGETHER):
            rows = range(start, min(start + _TOGETHER, len(contents)))
            columns = [[contents[row] for row in rows], list(targets[start : rows.stop]), weights[start : rows.stop]]
            file.write_batch(pa.record_batch(columns, schema=schema))


def mark_complete(checkpoint: Path, process: int) -> None:
    """Say that a process has written its share of a checkpoint; one that goes meanwhile does not count."""
    names = ("rng_state.pth", f"rng_state_{process}.pth")
    with suppress(FileNotFoundError):  # the fit goes on without it
        others = [] if process else [path for path in checkpoint.iterdir() if not path.name.startswith(_OF_A_PROCESS)]
        own = [path for name in names if (path := checkpoint / name).is_file()]
        share = {path.name: file_sha256(path) for path in (*others, *own)}
        write_text(checkpoint / f"{_COMPLETE}.{process}", json.dumps(share))


def last_checkpoint(folder: Path, processes: int) -> Path | None:
    """The last checkpoint that all processes have written, with the best one that it goes by.

    Those that are not whole, as a kill, a loss of power or a damage leaves them, are removed.
    """
    found = sorted((folder / CHECKPOINTS).glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    whole = {one.name: one for one in found if all(_is_whole(one, number) for number in range(processes))}
    usable = [one for one in whole.values() if (best := _best(one)) is None or best in whole]
    for one in set(found) - set(usable):
        shutil.rmtree(one, ignore_errors=True)  # another process of the fit may be at it
    return usable[-1] if usable else None


def _is_whole(checkpoint: Path, process: int) -> bool:
    """Whether what a process wrote of a checkpoint is as it wrote it."""
    try:
        share = json.loads((checkpoint / f"{_COMPLETE}.{process}").read_text(encoding="utf-8"))
        return all(file_sha256(checkpoint / name) == known for name, known in share.items())
    except (OSError, ValueError, AttributeError):
        return False


def _best(checkpoint: Path) -> str | None:
    """The name of the checkpoint that is the best one so far; None: nothing was validated yet."""
    state = checkpoint / "trainer_state.json"
    step = json.loads(state.read_text(encoding="utf-8")).get("best_global_step") if state.exists() else None
    return f"checkpoint-{step}" if step else None


def write_result(
    folder: Path, config: dict[str, Any], weights: Weights, history: History, cost: dict[str, Any]
) -> None:
    """Write what came of a fit; the checkpoints are of no more use then."""
    from safetensors.numpy import save_file

    with atomic_path(folder / _WEIGHTS) as temporary:
        save_file(dict(weights), temporary)
    write_text(folder / _RESULT, json.dumps({"config": config, "history": history, "cost": cost}))
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)


def read_result(folder: Path) -> tuple[Fitted, dict[str, Any]] | None:
    """What came of a fit, and what it took; None: it has not ended, or what is left of its end is damaged."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if not (folder / _RESULT).exists():
        return None
    try:
        result = json.loads((folder / _RESULT).read_text(encoding="utf-8"))
        return Fitted(result["config"], load_file(folder / _WEIGHTS), result["history"]), result["cost"]
    except (OSError, ValueError, LookupError, SafetensorError) as error:
        _log.warning("%s is damaged (%s): the model is fitted again", folder, error)
        (folder / _RESULT).unlink()
        return None
