"""Arrays from a file that PyTorch wrote before its version 1.6, without PyTorch, which takes seconds to import."""

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.errors import BundleError

_MAGIC: Final = 0x1950A86A20F9469CFC6C
_PROTOCOL: Final = 1001

_TYPES: Final[dict[str, np.dtype[Any]]] = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


def read_state(path: Path) -> dict[str, NDArray[Any]]:
    """Read a state dict; nothing in the file is executed: only tensors of floats and whole numbers are built.

    The file is, one after the other: a magic number, the format's version, what the machine was, the tensors without
    their numbers, the names of the storages, and each storage's length and numbers (torch/serialization.py,
    `_legacy_save`).

    Args:
        path: of the file.

    Raises:
        BundleError: it is none, or holds anything else.
    """
    try:
        with path.open("rb") as stream:
            return _read(stream)
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, IndexError, KeyError, AttributeError) as error:
        raise BundleError(f"{path} holds no tensors as PyTorch wrote them before 1.6: {error}") from error


def _read(stream: BinaryIO) -> dict[str, NDArray[Any]]:
    if (_pickled(stream), _pickled(stream)) != (_MAGIC, _PROTOCOL):
        raise pickle.UnpicklingError("it begins otherwise")
    _pickled(stream)
    storages: dict[str, NDArray[Any]] = {}
    unpickler = _Unpickler(stream, storages)
    state = unpickler.load()
    for key in _pickled(stream):
        length = int(np.frombuffer(stream.read(8), dtype="<i8")[0])
        storage = storages[key]
        if length != len(storage):
            raise ValueError(f"storage {key} has {length} numbers, not {len(storage)}")
        storage[:] = np.frombuffer(stream.read(storage.nbytes), dtype=storage.dtype)
    return {str(name): np.array(value) for name, value in state.items()}


def _pickled(stream: BinaryIO) -> Any:
    """Read one pickle of numbers and texts."""
    return _Unpickler(stream, {}).load()


class _Unpickler(pickle.Unpickler):
    """Builds tensors as views of storages that are filled later, and nothing else.

    Args:
        stream: at a pickle.
        storages: by key; those that the pickle names are added, empty.
    """

    def __init__(self, stream: BinaryIO, storages: dict[str, NDArray[Any]]) -> None:
        super().__init__(stream)
        self._storages = storages

    def find_class(self, module: str, name: str) -> Any:
        """Give what a name in the file stands for."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _view
        if module == "torch" and name in _TYPES:
            return name
        raise pickle.UnpicklingError(f"it names {module}.{name}")

    def persistent_load(self, told: Any) -> Any:
        """Give the storage that the file tells of."""
        _, kind, key, _, length, part = told
        if part is not None:
            raise pickle.UnpicklingError("it has a part of a storage")
        if key not in self._storages:
            self._storages[key] = np.zeros(int(length), dtype=_TYPES[kind])
        return self._storages[key]


def _view(storage: NDArray[Any], offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> NDArray[Any]:
    last = offset + sum((one - 1) * step for one, step in zip(size, stride, strict=True))
    if offset < 0 or min((*size, *stride), default=0) < 0 or (last >= len(storage) and 0 not in size):
        raise ValueError("a tensor reaches beyond its storage")
    steps = tuple(step * storage.itemsize for step in stride)
    return np.lib.stride_tricks.as_strided(storage[offset:], size, steps)
