from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

from kedro.io import AbstractDataset

from cu_pipeline.core.errors import StoreError

In = TypeVar("In")
Out = TypeVar("Out")


class LocalDataset(AbstractDataset[In, Out], Generic[In, Out]):
    """Base of datasets at one local path.

    Args:
        filepath: the file or folder.
        metadata: ignored here; read by the generator of `dvc.yaml`.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def _exists(self) -> bool:
        return self._filepath.exists()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}


@contextmanager
def damage_told(path: Path) -> Iterator[None]:
    """Name a file whose content cannot be used, with the remedy.

    Raises:
        StoreError: what is read of it has another form or type.
    """
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise StoreError(
            f"{path} is damaged ({error!r}): take back the file's last version (`dvc checkout`), or run the pipeline "
            "that makes it again"
        ) from error
