"""Pretrained models outside packages: a local folder or a hub's repository, and where and how precisely they run."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import Field

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.hashing import file_sha256, json_sha256
from cu_pipeline.core.options import Options
from cu_pipeline.core.paths import project_root

if TYPE_CHECKING:
    import torch

_CONFIG: Final = "config.json"
_FILES: Final = (
    _CONFIG,
    "*.safetensors",
    "*.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "*.model",
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "[0-9]_*/config.json",
    "[0-9]_*/*.safetensors",
)
"""What decides a model's outputs, as patterns; the folders with a number are those of sentence-transformers."""

_ELSEWHERE: Final = ["onnx/*", "openvino/*"]
"""Other forms of the same model, which a pattern above would match."""

_REPOSITORY: Final = re.compile(r"[\w.-]+(/[\w.-]+)?")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_PRECISIONS: Final = ("auto", "float32", "bfloat16", "float16")


class Checkpoint(Options):
    """A pretrained model in the layout of transformers.

    Attributes:
        name: a local folder, from the project's root where it is relative, or a repository of the hub.
        revision: branch, tag or commit of the hub's repository; ignored for folders.
    """

    name: str = Field(min_length=1)
    revision: str = Field("main", min_length=1)


@dataclass(frozen=True)
class CheckpointFiles:
    """A checkpoint on this machine.

    Attributes:
        folder: with its files.
        sha256: of all that decides its outputs: configuration, weights, tokenizer, processors; names and contents.
    """

    folder: Path
    sha256: str


def locate(checkpoint: Checkpoint) -> CheckpointFiles:
    """Find a checkpoint on this machine; what the hub has and this machine lacks is downloaded.

    Raises:
        ConfigurationError: it is neither a usable folder nor at hand in the hub's cache or the hub.
    """
    folder = project_root() / Path(checkpoint.name).expanduser()
    if not folder.is_dir():
        folder = _downloaded(checkpoint)
    if problem := _problem(folder):
        raise ConfigurationError(
            f"checkpoint {checkpoint.name!r}: {folder} {problem}. Allowed: a folder with {_CONFIG} and *.safetensors, "
            "as save_pretrained of transformers writes it, or a repository of the hub that has these"
        )
    hashes = {file.relative_to(folder).as_posix(): _hash(file) for file in _files(folder)}
    return CheckpointFiles(folder, json_sha256(hashes))


def pinned(checkpoint: Checkpoint) -> Checkpoint:
    """Name the very commit of the hub's repository, so that a branch that moves on changes nothing; a folder stays.

    Raises:
        ConfigurationError: as `locate`.
    """
    folder = locate(checkpoint).folder
    found = folder.parent.name == "snapshots" and _COMMIT.fullmatch(folder.name)
    return checkpoint.model_copy(update={"revision": folder.name}) if found else checkpoint


def device_of(wanted: str) -> str:
    """Choose where a model runs.

    Args:
        wanted: `auto` (a GPU where torch finds one), `cpu`, `cuda`, or one GPU, such as `cuda:1`.

    Raises:
        ConfigurationError: there is no such device.
    """
    if wanted == "cpu":
        return wanted
    import torch

    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "auto":
        return "cuda" if found else "cpu"
    number = re.fullmatch(r"cuda(?::(\d+))?", wanted)
    if number is None or int(number[1] or 0) >= found:
        have = f"torch {torch.__version__} finds {found or 'no'} GPU{'' if found == 1 else 's'}"
        raise ConfigurationError(
            f"device {wanted!r} is not there: {have}. Allowed: auto, cpu, and where there are GPUs cuda, cuda:0 and so "
            "on. Set auto, or install a build of torch for CUDA"
        )
    return wanted


def dtype_of(wanted: str, device: str) -> "torch.dtype":
    """Choose how precisely a model computes.

    Args:
        wanted: `auto` (bfloat16 on a GPU that has it, else float32), `float32`, `bfloat16` or `float16`.
        device: as `device_of` gives it.

    Raises:
        ConfigurationError: there is no such precision.
    """
    import torch

    if wanted not in _PRECISIONS:
        raise ConfigurationError(f"precision {wanted!r} is unknown; allowed: {', '.join(_PRECISIONS)}")
    if wanted == "auto":
        fast = device.startswith("cuda") and torch.cuda.get_device_capability(device)[0] >= 8
        return torch.bfloat16 if fast else torch.float32
    found: torch.dtype = getattr(torch, wanted)
    return found


@cache
def _downloaded(checkpoint: Checkpoint) -> Path:
    """The folder of a hub's repository in the hub's cache; asked for once in this process.

    Raises:
        ConfigurationError: it is not there and cannot be downloaded.
    """
    name = checkpoint.name
    allowed = f"Allowed: a folder with {_CONFIG} and *.safetensors, or a repository of the hub, such as owner/model"
    if not _REPOSITORY.fullmatch(name):
        raise ConfigurationError(f"checkpoint {name!r}: there is no such folder. {allowed}")
    from huggingface_hub import snapshot_download

    keep: dict[str, Any] = {"allow_patterns": list(_FILES), "ignore_patterns": _ELSEWHERE}
    try:
        return Path(snapshot_download(name, revision=checkpoint.revision, **keep))
    except Exception as error:  # what the client raises differs by version and by what fails
        why = str(error).strip().partition("\n")[0]
        raise ConfigurationError(
            f"checkpoint {name!r} at revision {checkpoint.revision!r} is no folder, and neither in the hub's cache nor "
            f"to be downloaded ({type(error).__name__}: {why}). {allowed}. Correct the name; or allow the hub, with "
            "--env gpu or HF_HUB_OFFLINE=0, and give HF_TOKEN where it asks for one; or copy the model to a folder"
        ) from error


def _problem(folder: Path) -> str:
    """Say why a folder is no checkpoint; "" where it is one."""
    config = folder / _CONFIG
    if not config.is_file():
        return f"has no {_CONFIG}"
    try:
        if not isinstance(json.loads(config.read_text(encoding="utf-8")), dict):
            return f"has a {_CONFIG} that is no JSON object"
    except (OSError, ValueError) as error:
        return f"has a {_CONFIG} that cannot be read ({error})"
    if not any(folder.glob("*.safetensors")):
        pickles = any(folder.glob("*.bin")) or any(folder.glob("*.pt"))
        why = ", only pickled weights, which can run code and are not read: save it as safetensors" if pickles else ""
        return f"has no *.safetensors{why}"
    return ""


def _files(folder: Path) -> Iterator[Path]:
    yield from sorted({file for pattern in _FILES for file in folder.glob(pattern) if file.is_file()})


def _hash(file: Path) -> str:
    facts = file.stat()
    return _known_hash(file, facts.st_size, facts.st_mtime_ns)


@cache
def _known_hash(file: Path, size: int, changed: int) -> str:
    """The hash of a file that had this size and time; computed once in this process."""
    del size, changed
    return file_sha256(file)
