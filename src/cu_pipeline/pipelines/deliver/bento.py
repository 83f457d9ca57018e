"""The packed service: built once for the same content, and run while it is checked."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from pathspec import GitIgnoreSpec

from cu_pipeline.core.counters import count
from cu_pipeline.core.errors import DeliveryError
from cu_pipeline.core.hashing import file_sha256, json_sha256
from cu_pipeline.core.telemetry import SWITCHES
from cu_pipeline.pipelines.deliver.running_service import RunningService, running, tail

BENTOFILE: Final = "bentofile.yaml"
BUILD_TIMEOUT_S: Final = 300


@dataclass(frozen=True)
class Bento:
    """A built Bento in a store.

    Attributes:
        name: of the Bento.
        version: hash of all that is packed.
        store: the folder that BentoML calls its home.
    """

    name: str
    version: str
    store: Path

    @property
    def tag(self) -> str:
        """What BentoML's commands call it."""
        return f"{self.name}:{self.version}"

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.store / "bentos" / self.name / self.version

    @property
    def built(self) -> bool:
        """Whether it lies there."""
        return (self.folder / "bento.yaml").is_file()


def build(root: Path, store: Path) -> Bento:
    """Build the Bento of a project, unless one of the same content is in the store.

    Args:
        root: the project's folder, with bentofile.yaml.
        store: BentoML's home; made if need be.

    Raises:
        DeliveryError: something to pack is absent, or BentoML refuses.
    """
    files = packed_files(root)
    name = yaml.safe_load((root / BENTOFILE).read_text(encoding="utf-8"))["name"]
    content = {path: file_sha256(root / path) for path in files}
    bento = Bento(name, json_sha256(content)[:12], store.absolute())
    count("bentos_built", 0)
    if not bento.built:
        _build(bento, root, files)
        count("bentos_built")
    return bento


def described(bento: Bento) -> dict[str, Any]:
    """Say how large a Bento is, in bytes, and which packages its image installs by hash."""
    size = sum(path.stat().st_size for path in bento.folder.rglob("*") if path.is_file())
    requirements = bento.folder / "env" / "python" / "requirements.txt"
    lines = requirements.read_text(encoding="utf-8").splitlines() if requirements.is_file() else []
    packages = sorted(line.removesuffix(" \\") for line in lines if re.match(r"[A-Za-z0-9].*==", line))
    return {"bytes": size, "packages": packages}


def packed_files(root: Path) -> list[str]:
    """List what bentofile.yaml packs, itself included, relative to `root`.

    Raises:
        DeliveryError: there is no bentofile.yaml, or one of its patterns matches nothing.
    """
    if not (root / BENTOFILE).is_file():
        raise DeliveryError(f"{root} has no {BENTOFILE}. Run from the project's folder, or set CU_PIPELINE_ROOT.")
    config = yaml.safe_load((root / BENTOFILE).read_text(encoding="utf-8"))
    files = {BENTOFILE}
    for pattern in config["include"]:
        found = _matches(root, pattern)
        if not found:
            raise DeliveryError(f"{BENTOFILE} packs {pattern}, but {root} has no such file")
        files |= {path.relative_to(root).as_posix() for path in found}
    excluded = GitIgnoreSpec.from_lines(config["exclude"])
    return sorted(file for file in files if not excluded.match_file(file))


def environment(bento: Bento) -> dict[str, str]:
    """The environment of BentoML's commands: this store, nothing sent home, nothing downloaded."""
    return os.environ | SWITCHES | {"BENTOML_HOME": str(bento.store), "HF_HUB_OFFLINE": "1"}


def _matches(root: Path, pattern: str) -> list[Path]:
    pattern = (f"{pattern}/*" if pattern.endswith("**") else pattern).removeprefix("/")
    return [path for path in root.glob(pattern) if path.is_file()]


def _build(bento: Bento, root: Path, files: list[str]) -> None:
    """Let BentoML build from a copy of what is packed: it walks all of its folder, `.venv` and data too."""
    output = bento.store / "build.log"
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text("", encoding="utf-8")
    except OSError as error:
        raise DeliveryError(f"BentoML's store {bento.store} cannot be written ({error}): make it writable") from error
    with tempfile.TemporaryDirectory() as scratch:
        for path in files:
            (Path(scratch) / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / path, Path(scratch) / path)
        try:
            done = subprocess.run(
                [sys.executable, "-m", "bentoml", "build", "--version", bento.version],
                cwd=scratch,
                env=environment(bento) | {"PYTHONPATH": str(Path(scratch) / "src")},
                capture_output=True,
                text=True,
                timeout=BUILD_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise DeliveryError(f"building {bento.tag} took more than {BUILD_TIMEOUT_S} s") from error
    if done.returncode or not bento.built:
        output.write_text(done.stdout + done.stderr, encoding="utf-8")
        raise DeliveryError(f"BentoML did not build {bento.tag}.{tail(output)}")


@contextmanager
def serving(bento: Bento, *, prediction_log: str | Path, output: Path, timeout_s: float) -> Iterator[RunningService]:
    """Run a Bento's service while the block runs.

    Args:
        bento: to serve, with the bundles that it packs.
        prediction_log: folder or database of its prediction log.
        output: file for its output.
        timeout_s: how long it may take to become ready.

    Raises:
        DeliveryError: it does not become ready; the message ends with its last output.
    """
    variables = _checked_service(bento) | {"CU_PIPELINE_PREDICTION_LOG": str(prediction_log)}
    with running(bento.folder, variables, output=output, timeout_s=timeout_s) as service:
        yield service


def _checked_service(bento: Bento) -> dict[str, str]:
    """The environment of a service that answers this process alone, by the models that it packs and no challenger."""
    settings = ("CU_PIPELINE_ROOT", "CU_PIPELINE_ENGINE_")
    kept = {
        name: value
        for name, value in environment(bento).items()
        if not name.startswith("CU_PIPELINE_") or name.startswith(settings)
    }
    return kept | {"CU_PIPELINE_OPEN": "1", "CU_PIPELINE_ROLLOUTS": str(bento.store / "no_rollouts")}
