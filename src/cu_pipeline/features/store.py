import json
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import partial as bind
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cu_pipeline.core.addresses import local_path
from cu_pipeline.core.atomic import atomic_path, write_text
from cu_pipeline.core.errors import PartGoneError, StoreError
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.core.place_cache import PlaceCache
from cu_pipeline.core.places import is_shared
from cu_pipeline.features.extractor import FeatureKey, Identity, Values, empty_values, form_of
from cu_pipeline.features.part_index import PartIndex, state_of
from cu_pipeline.features.parts import KEY, LOCKED, Part, held, keys_of, read_table, table_of, values_of, write_table
from cu_pipeline.features.pictures import Pictures
from cu_pipeline.features.shared_media import SharedMedia
from cu_pipeline.features.shared_parts import JOINED, SharedPart, SharedParts

_ROUNDS: Final = 5
_TOGETHER: Final = 8 * 2**20
"""Bytes of vectors that are read at once."""


class FeatureStore:
    """Features by content: `root/EXTRACTOR/FINGERPRINT/part-*.parquet`, append-only.

    A feature's key is the hash of the content it is made from, within the folder of the extractor's
    fingerprint, which covers its version, parameters, weights and decoder. So nothing is computed twice, and
    two machines that agree on the key may share the store. Each part is written atomically: on a disk under its name
    at once, on a shared place by a manifest that names it (`core.shelf`). Content that an
    extractor refused is kept as a vector of NaN, or as a text or pictures of null, so that it is not tried again.
    Many small parts become few meanwhile (`features.compaction`): who finds one gone looks for where it went.

    Args:
        root: folder of the store, made when first written; or its address, such as `s3://bucket/features`.
        cache: of copies of what is on a shared place; None: that of the project.
        media: where machines find the media of the contents that they lack; None: all have them.
    """

    def __init__(self, root: Path | str, cache: PlaceCache | None = None, media: SharedMedia | None = None) -> None:
        self.media = media
        self.root: Path | str = root if is_shared(root) else Path(local_path(str(root)))
        self.shared = SharedParts(self.root, cache) if isinstance(self.root, str) else None
        self._indexes: dict[tuple[str, str], PartIndex] = {}

    def missing(self, feature: FeatureKey, keys: Sequence[str]) -> list[str]:
        """The distinct keys that are not stored yet, in order.

        Raises:
            StoreError: a part is damaged.
            PlaceError: the shared place cannot be used.
        """
        distinct = list(dict.fromkeys(keys))
        absent = self.index(feature).rows(distinct) < 0
        return [distinct[place] for place in np.flatnonzero(absent)]

    def append(self, identity: Identity, keys: Sequence[str], values: Values) -> None:
        """Store features.

        Args:
            identity: of the extractor that made them.
            keys: content hashes (n).
            values: float32 (n, *identity.shape), texts (n), or pictures.

        Raises:
            StoreError: the values do not have the extractor's shape.
            PlaceError: the shared place cannot be used.
        """
        form = {"vectors": "float32", "text": "object", "pictures": "pictures"}[form_of(identity.shape)]
        found = "pictures" if isinstance(values, Pictures) else str(values.dtype)
        if values.shape != (len(keys), *identity.shape) or found != form:
            expected = f"{form} {(len(keys), *identity.shape)}"
            raise StoreError(f"features of {identity.name!r} must be {expected}, not {found} {values.shape}")
        if not keys:
            return
        record = json.dumps(asdict(identity), indent=2, sort_keys=True) + "\n"
        table = table_of(identity, keys, values)
        if self.shared:
            self.shared.add((identity.name, identity.fingerprint), record, keys, bind(write_table, table))
            return
        folder = self.folder(identity)
        if not (folder / LOCKED).exists():
            write_text(folder / LOCKED, record)
        write_part(table, folder / f"part-{json_sha256(list(keys))[:16]}.parquet")

    def read(self, feature: FeatureKey, keys: Sequence[str], *, partial: bool = False, least: int = 1) -> Values:
        """Stored features in the order of `keys`; pictures are read from the files only when they are wanted.

        Each part is read once, straight into the one array that is given.

        Args:
            feature: as an extractor's identity, or a bundle that learned from it, names it.
            keys: content hashes; "": there is no content, which is no fault.
            partial: give NaN or None for a key that is not stored.
            least: so many must be stored all the same, where there is any content.

        Returns:
            float32 (len(keys), *shape), NaN where the content was refused; or texts (len(keys),) or pictures,
            None there.

        Raises:
            StoreError: a key is not stored, or a part is damaged.
            PlaceError: the shared place cannot be used.
        """
        for _ in range(_ROUNDS):
            with suppress(PartGoneError):
                return self._read(feature, keys, least if partial else len(keys))
        raise _unsteady(feature)

    def _read(self, feature: FeatureKey, keys: Sequence[str], least: int) -> Values:
        index = self.index(feature)
        rows = index.rows(keys)
        _check(feature, keys, rows, least)
        result = empty_values(feature.shape, len(keys))
        wanted = list(index.by_part(rows))
        if self.shared:
            self.shared.fetch({part: len(own) for part, _, own in wanted if isinstance(part, SharedPart)})
        for part, targets, own in wanted:
            for some in _portions(own, feature):
                result[targets[some]] = values_of(part, feature, own[some])
        return result

    def require_any(self, feature: FeatureKey, keys: Sequence[str]) -> None:
        """Refuse to go on where features are stored of no content at all, though there is some; see `read`."""
        _check(feature, keys, self.index(feature).rows(keys), 1)

    def folder(self, feature: FeatureKey) -> Path:
        """The folder of a feature's parts in a store on a disk."""
        return Path(self.root) / feature.name / feature.fingerprint

    def _parts(self, feature: FeatureKey) -> Sequence[Part]:
        if self.shared:
            return self.shared.parts(feature.name, feature.fingerprint)
        return sorted(self.folder(feature).glob("part-*.parquet"))

    def index(self, feature: FeatureKey) -> PartIndex:
        """Where the features are; the keys are read again only when a part came, went or changed.

        Raises:
            StoreError: a part is damaged.
            PlaceError: the shared place cannot be used.
        """
        place = (feature.name, feature.fingerprint)
        for _ in range(_ROUNDS):
            with suppress(PartGoneError, FileNotFoundError):
                parts = self._parts(feature)
                state = tuple(map(state_of, parts))
                known = self._indexes.get(place)
                if known is None or known.state != state:
                    known = self._indexes[place] = PartIndex.of(parts, state)
                return known
        raise _unsteady(feature)


def _portions(rows: NDArray[np.int64], feature: FeatureKey) -> Iterator[NDArray[np.intp]]:
    """Divide what is wanted of a part, in its order: no copy of all of a large one is held beside the result."""
    order = np.argsort(rows, kind="stable")
    step = max(_TOGETHER // (4 * int(np.prod(feature.shape))), 1) if form_of(feature.shape) == "vectors" else len(rows)
    yield from (order[start : start + step] for start in range(0, len(rows), step))


def _unsteady(feature: FeatureKey) -> StoreError:
    return StoreError(f"the parts of {feature.name!r} change faster than they are read: see what else writes there")


def _check(feature: FeatureKey, keys: Sequence[str], rows: NDArray[np.int64], least: int) -> None:
    """Raise a StoreError where fewer keys than that are stored, unless what is not stored has no content."""
    absent = [place for place in np.flatnonzero(rows < 0) if keys[place]]
    if absent and (rows >= 0).sum() < least:
        raise StoreError(
            f"{len(absent)} of {sum(map(bool, keys))} features of {feature.name!r} are not stored (first key "
            f"{keys[absent[0]]}). Run `kedro run --pipelines=featurize`."
        )


def publish_parts(folder: Path, shared: SharedParts) -> int:
    """Publish the parts of a store on a disk that have something which a shared place lacks.

    Returns:
        The parts that were sent.

    Raises:
        StoreError: a part is damaged.
        PlaceError: the shared place cannot be used; what was sent before counts.
    """
    sent = 0
    for record in sorted(folder.glob("*/*/extractor.json")):
        place = (record.parent.parent.name, record.parent.name)
        known = {key for part in shared.parts(*place) for key in part.keys}
        for part in sorted(record.parent.glob("part-*.parquet")):
            keys = keys_of(part)
            if not known.issuperset(keys):
                shared.add(place, record.read_text(encoding="utf-8"), keys, bind(shutil.copyfile, part))
                sent += 1
    return sent


def part_keys(part: Path) -> list[str]:
    """Read the content hashes of a part of a store on a disk.

    Raises:
        StoreError: the part is damaged.
    """
    return keys_of(part)


def shorten_part(part: Path, keys: Collection[str]) -> None:
    """Keep only the features of some contents in a part of a store on a disk; a part without any goes.

    Raises:
        PartGoneError: it was joined with others meanwhile.
        StoreError: the part is damaged.
    """
    with held(part.parent, wait=True):
        table = read_table(part)
        kept = _rows_of(table, keys)
        if not kept.num_rows:
            part.unlink()
        elif kept.num_rows < table.num_rows:
            write_part(kept, part)


def shorten_shared_part(parts: SharedParts, part: SharedPart, keys: Collection[str]) -> None:
    """Keep only the features of some contents in a part on a shared place; a part without any goes.

    Raises:
        StoreError: the part is damaged.
        PlaceError: the place cannot be used.
    """
    kept = [key for key in part.keys if key in keys]
    if len(kept) == len(part.keys):
        return
    table = _rows_of(read_table(part), keys) if kept else None
    parts.replace(part, kept, bind(write_table, table, joined=part.entry.name.startswith(JOINED)))


def _rows_of(table: pa.Table, keys: Collection[str]) -> pa.Table:
    return table.filter(pa.array([key in keys for key in table.column(KEY).to_pylist()], pa.bool_()))


def write_part(table: pa.Table, part: Path) -> None:
    """Write a part of a store on a disk, whose name tells whether it was joined from many."""
    with atomic_path(part) as temporary:
        write_table(table, temporary, joined=part.name.startswith(JOINED))
