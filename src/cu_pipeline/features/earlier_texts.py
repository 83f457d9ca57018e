"""Texts on screen that an earlier version kept in a file of lines."""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.core.json_lines import read_lines
from cu_pipeline.features.extractor import FeatureChunk, Identity

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
