"""Many small parts of a feature store become few large ones, while others read and write.

Chunks of a few contents are stored as they are computed, so that a crash costs little; a million contents would be
tens of thousands of files, each of which is listed, opened, and asked of a bucket by a request. So what is small is
joined: first the large part is published, then the small ones that it stands for go. Wherever that ends half-way, each
feature is stored once or twice with the same bytes, and the next time finishes it. Which of several features of a
content is read, and its bytes, stay: joined parts are looked at before all others, and hold only what was read before.
"""

import logging
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cu_pipeline.core.errors import PartGoneError
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.features.extractor import FeatureKey, form_of
from cu_pipeline.features.part_index import PartIndex
from cu_pipeline.features.parts import KEY, Part, held, read_table, write_table
from cu_pipeline.features.shared_parts import JOINED, SharedPart, SharedParts
from cu_pipeline.features.store import FeatureStore, write_part

MANY: Final = 128
"""Small parts that may stay as they are."""

LARGE: Final = 64 * 2**20
"""Bytes from which on a joined part takes no more; one of half as many is not small."""

_log = logging.getLogger(__name__)


def compact(store: FeatureStore, feature: FeatureKey, many: int = MANY) -> int:
    """Join the small parts of an extractor, if there are many.

    Others may read and append meanwhile. Of two processes that join on one disk, one does; on a shared place, what one
    has joined the other leaves. Pictures stay: their parts are large, and clips are read from them long after.

    Args:
        store: of the features.
        feature: of the extractor.
        many: small parts that may stay as they are.

    Returns:
        The small parts that went.

    Raises:
        StoreError: a part is damaged.
        PlaceError: the shared place cannot be used.
    """
    if form_of(feature.shape) == "pictures" or (store.shared is None and not store.folder(feature).is_dir()):
        return 0
    if store.shared:
        return _compact(store, feature, many)
    try:
        with held(store.folder(feature), wait=False) as free:
            return _compact(store, feature, many) if free else 0
    except OSError as error:  # the disk is full, or may only be read: what is stored serves as it is
        _log.warning("%s: small parts stay as they are: %s", feature.name, error)
        return 0


def _compact(store: FeatureStore, feature: FeatureKey, many: int) -> int:
    index = store.index(feature)
    sizes = [_size(part) for part in index.parts]
    small = [place for place, size in enumerate(sizes) if size < LARGE // 2]
    if len(small) <= many:
        return 0
    gone, read = 0, index.read()
    for group in _groups(small, sizes):
        try:
            gone += _joined(store, feature, index, group, read)
        except PartGoneError:
            _log.info("%s: somebody else joins parts", feature.name)
            break
    if store.shared:
        store.shared.shelf(feature.name, feature.fingerprint).tidy()
    _log.info("%s: %d small parts joined", feature.name, gone)
    return gone


def _size(part: Part) -> int:
    return part.entry.size if isinstance(part, SharedPart) else part.stat().st_size


def _groups(places: Sequence[int], sizes: Sequence[int]) -> Iterator[list[int]]:
    """Divide parts, in their order, into groups of about `LARGE` bytes; one that is alone stays as it is."""
    group: list[int] = []
    size = 0
    for place in places:
        group.append(place)
        size += sizes[place]
        if size >= LARGE:
            yield group
            group, size = [], 0
    if len(group) > 1:
        yield group


def _joined(
    store: FeatureStore, feature: FeatureKey, index: PartIndex, group: Sequence[int], read: NDArray[np.bool_]
) -> int:
    """Put one part in the place of some, and give how many went.

    Raises:
        PartGoneError: somebody removed one meanwhile.
    """
    parts = [index.parts[place] for place in group]
    masks = [read[index.starts[place] : index.starts[place + 1]] for place in group]
    if store.shared:
        store.shared.fetch({part: len(part.keys) for part in parts if isinstance(part, SharedPart)})
    tables = [read_table(part, feature).filter(mask) for part, mask in zip(parts, masks, strict=True)]
    table = pa.concat_tables(tables)
    if store.shared:
        shared = [part for part in parts if isinstance(part, SharedPart)]
        return _replace_shared(store.shared, (feature.name, feature.fingerprint), shared, table)
    return _replace_local(store.folder(feature), [part for part in parts if isinstance(part, Path)], table)


def _replace_local(folder: Path, parts: Sequence[Path], table: pa.Table) -> int:
    joined = folder / f"{JOINED}{json_sha256(table.column(KEY).to_pylist())[:16]}.parquet"
    if table.num_rows:
        write_part(table, joined)
    gone = [part for part in parts if part != joined]
    for part in gone:
        part.unlink(missing_ok=True)
    return len(gone)


def _replace_shared(shared: SharedParts, place: tuple[str, str], parts: Sequence[SharedPart], table: pa.Table) -> int:
    """As on a disk; what another process has joined meanwhile, or somebody shortened, stays as they left it."""
    gone = list(parts)
    if table.num_rows:
        keys = table.column(KEY).to_pylist()
        entry = shared.add(place, "", keys, partial(write_table, table, joined=True), instead=parts)
        if entry is None or entry.name not in shared.shelf(*place).entries():
            raise PartGoneError("a part that was joined is gone")
        gone = [part for part in parts if part.entry.name != entry.name]
    shared.remove(place, gone)
    return len(gone)
