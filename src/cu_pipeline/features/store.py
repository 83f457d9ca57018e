import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cu_pipeline.core.atomic import atomic_path, write_text
from cu_pipeline.core.errors import StoreError
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.features.extractor import Identity, Vectors


class FeatureStore:
    """Features by content: `root/EXTRACTOR/FINGERPRINT/part-*.parquet`, append-only.

    A feature's key is the hash of the content it is made from, within the folder of the extractor's
    fingerprint, which covers its version, parameters, weights and decoder. So nothing is computed twice, and
    two machines that agree on the key may share the store. Each part is written atomically. Content that an
    extractor refused is kept as a vector of NaN, so that it is not tried again.

    Args:
        root: folder of the store; made when first written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def missing(self, identity: Identity, keys: Sequence[str]) -> list[str]:
        """Give the distinct keys that are not stored yet, in order."""
        stored = set(self._positions(identity))
        return [key for key in dict.fromkeys(keys) if key not in stored]

    def append(self, identity: Identity, keys: Sequence[str], vectors: Vectors) -> None:
        """Store features.

        Args:
            identity: of the extractor that made them.
            keys: content hashes (n).
            vectors: float32 (n, *identity.shape).

        Raises:
            StoreError: the vectors do not have the extractor's shape.
        """
        if vectors.shape != (len(keys), *identity.shape) or vectors.dtype != np.float32:
            expected = f"float32 {(len(keys), *identity.shape)}"
            raise StoreError(f"features of {identity.name!r} must be {expected}, not {vectors.dtype} {vectors.shape}")
        if not keys:
            return
        folder = self._folder(identity)
        record = folder / "extractor.json"
        if not record.exists():
            write_text(record, json.dumps(asdict(identity), indent=2, sort_keys=True) + "\n")
        width = int(np.prod(identity.shape))
        column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), width)
        table = pa.table({"content_key": pa.array(keys, pa.string()), "vector": column})
        with atomic_path(folder / f"part-{json_sha256(list(keys))[:16]}.parquet") as temporary:
            pq.write_table(table, temporary, compression="zstd")

    def read(self, identity: Identity, keys: Sequence[str], *, partial: bool = False) -> Vectors:
        """Give stored features in the order of `keys`.

        Args:
            identity: of the extractor that made them.
            keys: content hashes.
            partial: give NaN for a key that is not stored, as long as some are.

        Returns:
            float32 (len(keys), *identity.shape); NaN where the content was refused.

        Raises:
            StoreError: a key is not stored, or a part is damaged.
        """
        positions = self._positions(identity)
        absent = [key for key in keys if key not in positions]
        if absent and not (partial and len(absent) < len(keys)):
            raise StoreError(
                f"{len(absent)} of {len(keys)} features of {identity.name!r} are not stored (first key "
                f"{absent[0]}). Run `kedro run --pipelines=featurize`."
            )
        result = np.full((len(keys), *identity.shape), np.nan, dtype=np.float32)
        wanted: dict[Path, list[tuple[int, int]]] = {}
        for target, key in enumerate(keys):
            if key in positions:
                part, row = positions[key]
                wanted.setdefault(part, []).append((target, row))
        for part, pairs in wanted.items():
            vectors = _vectors(part, identity)
            targets, rows = zip(*pairs, strict=True)
            result[list(targets)] = vectors[list(rows)]
        return result

    def _folder(self, identity: Identity) -> Path:
        return self.root / identity.name / identity.fingerprint

    def _positions(self, identity: Identity) -> dict[str, tuple[Path, int]]:
        positions: dict[str, tuple[Path, int]] = {}
        for part in sorted(self._folder(identity).glob("part-*.parquet")):
            for row, key in enumerate(_column(part, "content_key").to_pylist()):
                positions.setdefault(key, (part, row))
        return positions


def _column(part: Path, name: str) -> pa.ChunkedArray:
    try:
        return pq.read_table(part, columns=[name]).column(name)
    except (pa.ArrowException, OSError) as error:
        raise StoreError(
            f"{part} cannot be read ({error}). Delete this file; the next run computes its features again."
        ) from error


def _vectors(part: Path, identity: Identity) -> Vectors:
    column = _column(part, "vector").combine_chunks()
    vectors: Vectors = column.values.to_numpy().reshape(-1, *identity.shape)
    return vectors
