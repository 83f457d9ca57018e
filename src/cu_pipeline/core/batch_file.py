"""Arrow batches in a file without a name, which vanishes with its last reader."""

import os
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from io import RawIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cu_pipeline.core.atomic import no_space_told
from cu_pipeline.core.paths import from_stored
from cu_pipeline.core.rows import BATCH

if TYPE_CHECKING:
    import pyarrow as pa

FOLDER: Final = "data/02_intermediate"
"""Of a project, on whose disk the files of unfinished tables lie."""


class _Disk:
    """A file without a name, which is closed when nobody holds this any longer.

    Args:
        folder: on whose disk it lies.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        weakref.finalize(self, self.file.close)


class BatchFile:
    """Arrow batches that are written to the disk."""

    def __init__(self, schema: "pa.Schema") -> None:
        import pyarrow as pa

        folder = from_stored(FOLDER)
        with no_space_told(folder):
            self._disk = _Disk(folder)
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            self._writer = pa.ipc.new_file(pa.PythonFile(self._disk.file, "w"), schema, options=options)
        self._folder = folder

    def write(self, tables: "Sequence[pa.Table]") -> None:
        """Append tables, by batches."""
        with no_space_told(self._folder):
            for one in tables:
                for batch in one.combine_chunks().to_batches(BATCH):
                    self._writer.write_batch(batch)

    def opened(self) -> "BatchReader":
        """End the file, and give what reads it."""
        with no_space_told(self._folder):
            self._writer.close()
            self._disk.file.flush()
        return BatchReader(self._disk)


class BatchReader:
    """The finished file; each reader has a place of its own in it."""

    def __init__(self, disk: _Disk) -> None:
        self._disk = disk

    def read(self, names: Sequence[str]) -> Iterator["pa.Table"]:
        """Read columns, a batch at a time."""
        import pyarrow as pa

        file = self.open(names)
        for number in range(file.num_record_batches):
            yield pa.Table.from_batches([file.get_batch(number)]).select(names)

    def open(self, names: Sequence[str]) -> Any:
        """Open Arrow's reader of columns, whose batches can be taken in any order."""
        import pyarrow as pa

        known = pa.ipc.open_file(_Reader(self._disk)).schema.names
        options = pa.ipc.IpcReadOptions(included_fields=sorted(known.index(name) for name in names))
        return pa.ipc.open_file(_Reader(self._disk), options=options)


class _Reader(RawIOBase):
    """Reads a file that others read too."""

    def __init__(self, disk: _Disk) -> None:
        self._disk, self._place, self._size = disk, 0, os.fstat(disk.file.fileno()).st_size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._place = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        return self._place

    def read(self, size: int = -1) -> bytes:
        found = os.pread(self._disk.file.fileno(), self._size if size < 0 else size, self._place)
        self._place += len(found)
        return found
