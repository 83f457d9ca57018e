"""Where long fits keep what they have reached, so that a run that was killed goes on."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from cu_pipeline.core.atomic import remove_tree

_root: ContextVar[Path | None] = ContextVar("checkpoints", default=None)


@contextmanager
def checkpoints_in(root: Path) -> Iterator[None]:
    """Keep the checkpoints of all fits in the block; they are removed when it ends well, and found again otherwise.

    Args:
        root: a folder; made when first needed.
    """
    token = _root.set(root)
    try:
        yield
    finally:
        _root.reset(token)
    if root.is_dir():
        remove_tree(root)


@contextmanager
def fit_folder(key: str) -> Iterator[Path]:
    """A folder for one fit: that of an earlier try at the same fit, if there is one.

    Outside `checkpoints_in` it is a temporary one.

    Args:
        key: hash of all that decides the fit.
    """
    root = _root.get()
    if root is None:
        with tempfile.TemporaryDirectory(prefix="fit-") as temporary:
            yield Path(temporary)
        return
    folder = root / key
    folder.mkdir(parents=True, exist_ok=True)
    yield folder
