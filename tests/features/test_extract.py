"""What is decoded, encoded and handed on when; a toy extractor and a mapper that decodes as it is asked to."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from cu_pipeline.compute.mapper import Outcome
from cu_pipeline.core.errors import BadClipError, Reason
from cu_pipeline.core.options import Options
from cu_pipeline.features.encoding import CHUNK, TOGETHER
from cu_pipeline.features.extract import extract_missing
from cu_pipeline.features.extractor import Identity
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.media.options import Limits

LOOK_AHEAD = 4 * 2  # clips that workers on two cores decode before the caller takes the first


class Numbers:
    """Encodes a clip named after a number as that number, and remembers when."""

    options, source, sampling, parameters = Options, "media", None, {}
    identity = Identity(name="numbers", version=1, shape=(1,), weights_sha256="")

    def __init__(self, mapper):
        self.mapper, self.taken_at = mapper, []

    def prepare(self, content):
        return int(content)

    def encode(self, prepared):
        self.taken_at.append(self.mapper.taken)
        return np.array(prepared, dtype=np.float32)[:, None]


@dataclass
class InTurn:
    """A mapper that works on an item when its outcome is taken; some items are refused."""

    refused: frozenset[str] = frozenset()
    taken: int = field(default=0)

    def map(self, function, items, **_):
        for item in items:
            self.taken += 1
            if item[0] in self.refused:
                yield Outcome(error=BadClipError(Reason.TRUNCATED, "half a file"))
            else:
                yield Outcome(value=function(item))


def chunks(mapper, count, tmp_path):
    numbers = Numbers(mapper)
    names = {str(number): str(number) for number in range(count)}
    contents = {"media": names, "text": {}}
    return numbers, list(extract_missing([numbers], contents, FeatureStore(tmp_path), Limits(), mapper))


def test_clips_are_encoded_before_workers_have_to_wait(tmp_path):
    numbers, found = chunks(InTurn(), 70, tmp_path)
    assert np.diff([0, *numbers.taken_at]).max() <= LOOK_AHEAD
    assert [len(chunk.keys) for chunk in found] == [CHUNK, CHUNK, 6]


@pytest.mark.parametrize("count", [1, TOGETHER["media"], CHUNK - 1, CHUNK, CHUNK + 1])
def test_each_clip_gets_its_own_features(tmp_path, count):
    refused = frozenset({"0", "9"})
    _, found = chunks(InTurn(refused), count, tmp_path)
    keys = [key for chunk in found for key in chunk.keys]
    values = np.concatenate([chunk.values for chunk in found])[:, 0]
    assert keys == [str(number) for number in range(count)]
    expected = [np.nan if key in refused else float(key) for key in keys]
    np.testing.assert_array_equal(values, expected)
