"""What a model learned from, kept with it, so that what it is asked about later can be held against it."""

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.errors import BundleError

FACTS: Final = ("duration_s", "width", "height", "fps", "bytes", "text_length")
HAS: Final = ("has_caption", "has_video", "has_sound")
"""Whether a clip has a part, 1 or 0; NaN where nobody tells."""

TEXTS: Final = ("clip_id", "split", "creator", "group", "content", "language", "truth", "truth_source")
JSON: Final = ("labels", "predictions", "versions", "abstained")
_VECTORS: Final = "embedding"
_PARTS: Final = b"parts"


@dataclass(frozen=True)
class Reference:
    """Clips that a model learned from, as Parquet: equal descriptions have equal bytes, and few who hold it read it.

    Attributes:
        content: the file.
    """

    content: bytes

    @property
    def sha256(self) -> str:
        """Of the content, in hex."""
        return hashlib.sha256(self.content).hexdigest()

    @classmethod
    def read(cls, path: Path, sha256: str) -> "Reference":
        """Read a file that must have a hash.

        Raises:
            BundleError: it is absent, or another.
        """
        try:
            found = cls(path.read_bytes())
        except OSError as error:
            raise BundleError(f"{path} cannot be read ({error}). Restore it, or train the model again.") from error
        if found.sha256 != sha256:
            raise BundleError(f"{path}: its hash is {found.sha256[:12]}, not {sha256[:12]}: the file was changed.")
        return found

    def table(self) -> pd.DataFrame:
        """The clips, a row each.

        Returns:
            clip_id, split, creator; `group`, the unit as traffic names it; `content`, likewise; language; `truth`, the
            label that it learned, and `truth_source`; duration_s, width, height, fps, bytes, text_length; has_caption,
            has_video, has_sound; JSON of `labels`, `predictions`, `versions` and `abstained` by capability, `{}` where
            the model would only repeat what it has learned; `parts`, JSON of the widths of the embedding's parts;
            `embedding`, float16 of shape (width,), a row of one matrix.
        """
        import pyarrow.parquet as pq

        stored = pq.read_table(io.BytesIO(self.content))
        parts: str = stored.schema.metadata[_PARTS].decode()
        width = sum(json.loads(parts).values())
        rows = b"".join(stored.column(_VECTORS).to_pylist())
        matrix = np.frombuffer(rows, dtype="<f2").reshape(len(stored), width)
        return stored.drop_columns([_VECTORS]).to_pandas().assign(parts=parts, embedding=list(matrix))


def written(table: pd.DataFrame, vectors: NDArray[np.float32], parts: dict[str, int]) -> Reference:
    """Put clips into a reference.

    Args:
        table: n clips, with the columns of `Reference.table` but for the embedding's.
        vectors: of the clips, (n, width).
        parts: widths of their parts, in order.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    limit = float(np.finfo(np.float16).max)
    stored = np.clip(vectors, -limit, limit).astype("<f2")
    columns = {name: pa.array(table[name].tolist(), pa.string()) for name in (*TEXTS, *JSON)}
    columns |= {name: pa.array(table[name].to_numpy("float64")) for name in (*FACTS, *HAS)}
    rows = [row.tobytes() for row in stored]
    columns[_VECTORS] = pa.array(rows, pa.binary())
    found = pa.table(columns).replace_schema_metadata({_PARTS: json.dumps(parts).encode()})
    stream = io.BytesIO()
    pq.write_table(found, stream, compression="zstd")
    return Reference(stream.getvalue())
