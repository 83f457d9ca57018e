import json
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cu_pipeline.core.atomic import atomic_path, write_text
from cu_pipeline.core.errors import StoreError
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.core.json_lines import read_lines
from cu_pipeline.features.extractor import FeatureChunk, FeatureKey, Identity, Values

_KEY = "content_key"
_VECTOR = "vector"
_TEXT = "text"


class FeatureStore:
    """Features by content: `root/EXTRACTOR/FINGERPRINT/part-*.parquet`, append-only.

    A feature's key is the hash of the content it is made from, within the folder of the extractor's
    fingerprint, which covers its version, parameters, weights and decoder. So nothing is computed twice, and
    two machines that agree on the key may share the store. Each part is written atomically. Content that an
    extractor refused is kept as a vector of NaN, or as a text of null, so that it is not tried again.

    Args:
        root: folder of the store; made when first written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def missing(self, feature: FeatureKey, keys: Sequence[str]) -> list[str]:
        """The distinct keys that are not stored yet, in order."""
        stored = set(self._positions(feature))
        return [key for key in dict.fromkeys(keys) if key not in stored]

    def append(self, identity: Identity, keys: Sequence[str], values: Values) -> None:
        """Store features.

        Args:
            identity: of the extractor that made them.
            keys: content hashes (n).
            values: float32 (n, *identity.shape), or texts (n).

        Raises:
            StoreError: the values do not have the extractor's shape.
        """
        dtype = np.dtype(np.float32) if identity.shape else np.dtype(object)
        if values.shape != (len(keys), *identity.shape) or values.dtype != dtype:
            expected = f"{dtype} {(len(keys), *identity.shape)}"
            raise StoreError(f"features of {identity.name!r} must be {expected}, not {values.dtype} {values.shape}")
        if not keys:
            return
        folder = self._folder(identity)
        record = folder / "extractor.json"
        if not record.exists():
            write_text(record, json.dumps(asdict(identity), indent=2, sort_keys=True) + "\n")
        table = pa.table({_KEY: pa.array(keys, pa.string()), **_column_of(identity, values)})
        with atomic_path(folder / f"part-{json_sha256(list(keys))[:16]}.parquet") as temporary:
            pq.write_table(table, temporary, compression="zstd")

    def read(self, feature: FeatureKey, keys: Sequence[str], *, partial: bool = False) -> Values:
        """Stored features in the order of `keys`.

        Args:
            feature: as an extractor's identity, or a bundle that learned from it, names it.
            keys: content hashes.
            partial: give NaN or None for a key that is not stored, as long as some are.

        Returns:
            float32 (len(keys), *shape), NaN where the content was refused; or texts (len(keys),), None there.

        Raises:
            StoreError: a key is not stored, or a part is damaged.
        """
        positions = self._positions(feature)
        absent = [key for key in keys if key not in positions]
        if absent and not (partial and len(absent) < len(keys)):
            raise StoreError(
                f"{len(absent)} of {len(keys)} features of {feature.name!r} are not stored (first key "
                f"{absent[0]}). Run `kedro run --pipelines=featurize`."
            )
        result = empty_values(feature, len(keys))
        wanted: dict[Path, list[tuple[int, int]]] = {}
        for target, key in enumerate(keys):
            if key in positions:
                part, row = positions[key]
                wanted.setdefault(part, []).append((target, row))
        for part, pairs in wanted.items():
            targets, rows = zip(*pairs, strict=True)
            result[list(targets)] = _values(part, feature)[list(rows)]
        return result

    def _folder(self, feature: FeatureKey) -> Path:
        return self.root / feature.name / feature.fingerprint

    def _positions(self, feature: FeatureKey) -> dict[str, tuple[Path, int]]:
        positions: dict[str, tuple[Path, int]] = {}
        for part in sorted(self._folder(feature).glob("part-*.parquet")):
            for row, key in enumerate(_column(part, _KEY).to_pylist()):
                positions.setdefault(key, (part, row))
        return positions


def part_keys(part: Path) -> list[str]:
    """Read the content hashes of a part of a store.

    Raises:
        StoreError: the part is damaged.
    """
    keys: list[str] = _column(part, _KEY).to_pylist()
    return keys


def shorten_part(part: Path, keys: Collection[str]) -> None:
    """Keep only the features of some contents in a part of a store; a part without any goes."""
    table = pq.read_table(part)
    kept = table.filter(pa.array([key in keys for key in table.column(_KEY).to_pylist()], pa.bool_()))
    if not kept.num_rows:
        part.unlink()
    elif kept.num_rows < table.num_rows:
        with atomic_path(part) as temporary:
            pq.write_table(kept, temporary, compression="zstd")


def empty_values(feature: FeatureKey, count: int) -> Values:
    """Features of refused content: NaN (count, *shape), or None (count,) for texts."""
    if feature.shape:
        return np.full((count, *feature.shape), np.nan, dtype=np.float32)
    return np.full(count, None, dtype=object)


def _column_of(identity: Identity, values: Values) -> dict[str, pa.Array]:
    if not identity.shape:
        return {_TEXT: pa.array(values.tolist(), pa.string())}
    width = int(np.prod(identity.shape))
    return {_VECTOR: pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), width)}


def _column(part: Path, name: str) -> pa.ChunkedArray:
    try:
        return pq.read_table(part, columns=[name]).column(name)
    except (pa.ArrowException, OSError, KeyError) as error:
        raise StoreError(
            f"{part} cannot be read ({error}). Delete this file; the next run computes its features again."
        ) from error


def _values(part: Path, feature: FeatureKey) -> Values:
    if not feature.shape:
        return np.array(_column(part, _TEXT).to_pylist(), dtype=object)
    vectors = _column(part, _VECTOR).combine_chunks()
    return np.asarray(vectors.values.to_numpy().reshape(-1, *feature.shape), dtype=np.float32)


_log = logging.getLogger(__name__)


def read_earlier_texts(path: Path) -> dict[str, str]:
    """The texts by the key of that form; what is damaged is left out, and so read from the media again."""
    found = {}
    for line in read_lines(path):
        try:
            record = json.loads(line)
            found[str(record["key"])] = str(record["text"])
        except (ValueError, LookupError, TypeError):
            continue
    return found


def earlier_chunks(identity: Identity, earlier: Mapping[str, str], missing: Sequence[str]) -> Iterator[FeatureChunk]:
    """Take over what an earlier version knows of contents that the store lacks.

    Args:
        identity: of the extractor.
        earlier: as `read_earlier_texts` gives it.
        missing: content hashes that the store lacks.
    """
    keys = {content: json_sha256([identity.fingerprint, content]) for content in missing}
    known = [content for content, key in keys.items() if key in earlier]
    if known:
        _log.info("%s: %d taken over from the file of an earlier version", identity.name, len(known))
        yield FeatureChunk(identity, known, np.array([earlier[keys[content]] for content in known], dtype=object))
