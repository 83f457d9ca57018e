from collections.abc import Iterable
from typing import Any, Protocol

from kedro.utils import load_obj

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.datasets.local import LocalDataset
from cu_pipeline.inference.prediction_log.place import shared_or


class Log(Protocol):
    """A file that only grows."""

    def read(self) -> Any:
        """Read what was ever added."""
        ...

    def append(self, records: Iterable[Any], /) -> None:
        """Add records."""
        ...


class LogDataset(LocalDataset[Iterable[Any], Any]):
    """A log of records: saving appends, loading gives all, such as a dictionary by key.

    Args:
        filepath: the file.
        log: full name of a class that is made from a path and has `read` and `append`.
        metadata: ignored here; read by the generator of `dvc.yaml`.
    """

    def __init__(self, *, filepath: str, log: str, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        try:
            self._log: Log = load_obj(log)(self._filepath)
        except (ImportError, AttributeError, ValueError) as error:
            raise ConfigurationError(
                f"log {log!r} of {filepath} is not there ({error}). Remedy: give the full name of a class, such as "
                "cu_pipeline.ingest.probing.ProbeLog"
            ) from error
        self._name = log

    def load(self) -> Any:
        return self._log.read()

    def save(self, data: Iterable[Any]) -> None:
        self._log.append(data)

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "log": self._name}


class PredictionLogPlace(LocalDataset[Any, str]):
    """Where the service's prediction log is; it may hold nothing yet.

    Args:
        filepath: its folder, unless people share a database.
        database: another PostgreSQL database, as `postgresql+psycopg://USER:{VARIABLE}@HOST/DATABASE`.
        metadata: ignored here; read by the generator of `dvc.yaml`.
    """

    def __init__(self, *, filepath: str, database: str | None = None, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        self._database = database

    def load(self) -> str:
        return self._database or shared_or(self._filepath)

    def save(self, data: Any) -> None:
        raise NotImplementedError(f"{self._filepath} is written by the service")
