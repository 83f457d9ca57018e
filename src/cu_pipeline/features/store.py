import json
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cu_pipeline.core.atomic import atomic_path, write_text
from cu_pipeline.core.errors import StoreError
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.core.json_lines import read_lines
from cu_pipeline.features.extractor import FeatureChunk, FeatureKey, Identity, Values, empty_values, form_of
from cu_pipeline.features.pictures import Jpegs, Pictures

_KEY: Final = "content_key"
_VECTOR: Final = "vector"
_TEXT: Final = "text"
_PICTURES: Final = "pictures"
_PRESENT: Final = "present"


class FeatureStore:
    """Features by content: `root/EXTRACTOR/FINGERPRINT/part-*.parquet`, append-only.

    A feature's key is the hash of the content it is made from, within the folder of the extractor's
    fingerprint, which covers its version, parameters, weights and decoder. So nothing is computed twice, and
    two machines that agree on the key may share the store. Each part is written atomically. Content that an
    extractor refused is kept as a vector of NaN, or as a text or pictures of null, so that it is not tried again.

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
            values: float32 (n, *identity.shape), texts (n), or pictures.

        Raises:
            StoreError: the values do not have the extractor's shape.
        """
        form = {"vectors": "float32", "text": "object", "pictures": "pictures"}[form_of(identity.shape)]
        found = "pictures" if isinstance(values, Pictures) else str(values.dtype)
        if values.shape != (len(keys), *identity.shape) or found != form:
            expected = f"{form} {(len(keys), *identity.shape)}"
            raise StoreError(f"features of {identity.name!r} must be {expected}, not {found} {values.shape}")
        if not keys:
            return
        folder = self._folder(identity)
        record = folder / "extractor.json"
        if not record.exists():
            write_text(record, json.dumps(asdict(identity), indent=2, sort_keys=True) + "\n")
        table = pa.table({_KEY: pa.array(keys, pa.string()), **_columns_of(identity, values)})
        _write(table, folder / f"part-{json_sha256(list(keys))[:16]}.parquet")

    def read(self, feature: FeatureKey, keys: Sequence[str], *, partial: bool = False) -> Values:
        """Stored features in the order of `keys`; pictures are read from the files only when they are wanted.

        Args:
            feature: as an extractor's identity, or a bundle that learned from it, names it.
            keys: content hashes.
            partial: give NaN or None for a key that is not stored, as long as some are.

        Returns:
            float32 (len(keys), *shape), NaN where the content was refused; or texts (len(keys),) or pictures,
            None there.

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
        result = empty_values(feature.shape, len(keys))
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
        _write(kept, part)


def _write(table: pa.Table, part: Path) -> None:
    """Write a part. JPEG files do not get smaller, and a group of rows a clip lets one clip's be read alone."""
    with atomic_path(part) as temporary:
        if _PICTURES in table.column_names:
            pq.write_table(table, temporary, compression="none", use_dictionary=False, row_group_size=1)
        else:
            pq.write_table(table, temporary, compression="zstd")


def _columns_of(identity: Identity, values: Values) -> dict[str, pa.Array]:
    form = form_of(identity.shape)
    if form == "text":
        return {_TEXT: pa.array(values.tolist(), pa.string())}
    if form == "pictures":
        clips = [values.encoded(row) for row in range(len(values))]
        return {_PRESENT: pa.array(values.present), _PICTURES: pa.array(clips, pa.list_(pa.binary()))}
    width = int(np.prod(identity.shape))
    return {_VECTOR: pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), width)}


def _column(part: Path, name: str) -> pa.ChunkedArray:
    try:
        return pq.read_table(part, columns=[name]).column(name)
    except (pa.ArrowException, OSError, KeyError) as error:
        raise _damaged(part, error) from error


def _damaged(part: Path, error: object) -> StoreError:
    return StoreError(f"{part} cannot be read ({error}). Delete this file; the next run computes its features again.")


def _values(part: Path, feature: FeatureKey) -> Values:
    form = form_of(feature.shape)
    if form == "text":
        return np.array(_column(part, _TEXT).to_pylist(), dtype=object)
    if form == "pictures":
        present = _column(part, _PRESENT).to_pylist()
        clips = [partial(_pictures, part, row) if has else None for row, has in enumerate(present)]
        return Pictures(clips, feature.shape)
    vectors = _column(part, _VECTOR).combine_chunks()
    return np.asarray(vectors.values.to_numpy().reshape(-1, *feature.shape), dtype=np.float32)


def _pictures(part: Path, row: int) -> Jpegs:
    """The pictures of one row of a part."""
    try:
        with pq.ParquetFile(part) as file:
            (jpegs,) = file.read_row_group(row, columns=[_PICTURES]).column(_PICTURES).to_pylist()
    except (pa.ArrowException, OSError, KeyError, IndexError, ValueError) as error:
        raise _damaged(part, error) from error
    return tuple(jpegs)


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
