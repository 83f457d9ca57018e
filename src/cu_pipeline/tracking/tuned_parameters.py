"""The parameters file that tuning writes, for the next run to read."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from kedro.io import AbstractDataset, DatasetError

from cu_pipeline.core.atomic import write_text
from cu_pipeline.core.paths import to_stored
from cu_pipeline.tracking import yaml_files
from cu_pipeline.tracking.parameter_trees import dotted, lay_over, leaves

_log = logging.getLogger(__name__)

_SUFFIXES: Final = {".yml", ".yaml", ".json"}
_HEADER: Final = """\
# Written by `kedro run --pipelines=tune`, and in force until it is edited or deleted. A parameter may stand in one file
# of this folder only. For everybody: take the values over into conf/base/parameters_train.yml, and delete this file.
"""


@dataclass(frozen=True)
class TunedParameters:
    """Parameters that tuning found to be better than those in use.

    Attributes:
        values: nested, as parameters files have them; {}: nothing is better.
        reason: for people who read the file.
    """

    values: dict[str, Any]
    reason: str = ""


class TunedParametersDataset(AbstractDataset[TunedParameters, dict[str, Any]]):
    """A parameters file of an environment of `conf/`, which saving adds to; where nothing is better, it stays as it is.

    Args:
        filepath: the file.
        metadata: ignored here; read by the generator of `dvc.yaml`.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> dict[str, Any]:
        """Read the file; {} where there is none."""
        return yaml_files.read(self._filepath)

    def save(self, data: TunedParameters) -> None:
        """Lay the parameters over what the file has."""
        if not data.values:
            return
        merged = lay_over(self.load(), data.values)
        self._filepath.parent.mkdir(parents=True, exist_ok=True)
        reason = "".join(f"# {line}\n" for line in data.reason.splitlines())
        write_text(self._filepath, _HEADER + reason + yaml.safe_dump(merged, sort_keys=False, allow_unicode=True))
        new = ", ".join(f"{dotted(place)}={value}" for place, value in leaves(data.values).items())
        _log.info("%s has %s for the next run; `kedro params` lists it", to_stored(self._filepath), new)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}

    def _exists(self) -> bool:
        return self._filepath.is_file()


class StatedParameters(AbstractDataset[None, dict[str, str]]):
    """Which parameters the other files of an environment state: loading gives dotted parameter -> file.

    Args:
        filepath: the file that tuning writes, which is left out.
        metadata: ignored here; read by the generator of `dvc.yaml`.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> dict[str, str]:
        """Read the files that Kedro reads parameters from."""
        folder = self._filepath.parent
        files = {*folder.glob("parameters*"), *folder.glob("parameters*/**/*")} - {self._filepath}
        chosen = sorted(path for path in files if path.suffix in _SUFFIXES and path.is_file())
        return {dotted(place): self._name(path) for path in chosen for place in leaves(yaml_files.read(path))}

    def save(self, data: None) -> None:
        """Refuse: people write them."""
        raise DatasetError(f"{self._filepath.parent} is written by people ({type(data).__name__} given)")

    def _name(self, path: Path) -> str:
        return path.relative_to(self._filepath.parents[2]).as_posix()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}

    def _exists(self) -> bool:
        return True
