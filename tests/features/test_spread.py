"""How work is divided before it is distributed, and what is told of it; a spreader that does jobs here, one by one."""

import logging

import numpy as np
import pytest
from tests.features.test_extract import Numbers

from cu_pipeline.core.errors import BadClipError, Reason
from cu_pipeline.features.encoding import CHUNK
from cu_pipeline.features.extract import extract_missing
from cu_pipeline.features.extractor import Identity
from cu_pipeline.features.spread import Featurizer, chunks_of
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.media.options import Limits


class Here:
    """A spreader that does each job in this process, the last one first."""

    def spread(self, make, jobs, **_):
        do = make()
        for job in reversed(jobs):
            yield do(job)


class Captions(Numbers):
    """Encodes a caption as its length; it refuses what is no number."""

    source = "text"

    def __init__(self, name="captions"):
        self.identity = Identity(name=name, version=1, shape=(1,), weights_sha256="")

    def prepare(self, content):
        return content or BadClipError(Reason.EMPTY, "no words")

    def encode(self, prepared):
        return np.array([[len(one)] for one in prepared], dtype=np.float32)


def captions(count):
    return {"media": {}, "text": {f"{number:03d}": "x" * number for number in range(count)}}


def test_what_each_lacks_is_cut_in_its_order_and_shared_where_it_is_the_same():
    contents = captions(3 * CHUNK + 5)
    keys = list(contents["text"])
    found = chunks_of([Captions("one"), Captions("two")], contents, [keys, keys[CHUNK:]])
    assert [(chunk.places, len(chunk.contents)) for chunk in found] == [
        ((0,), CHUNK),
        ((0, 1), CHUNK),
        ((0, 1), CHUNK),
        ((0, 1), 5),
    ]
    assert [key for chunk in found for key in chunk.contents] == keys
    assert found[-1].contents[keys[-1]] == contents["text"][keys[-1]]


def test_media_are_divided_by_paths():
    contents = {"media": {"a": "/clips/a.mp4"}, "text": {}}
    (chunk,) = chunks_of([Numbers(None)], contents, [["a"]])
    assert chunk.contents == {"a": "/clips/a.mp4"}


def test_what_is_done_elsewhere_is_stored_there_and_told_here(tmp_path, caplog):
    store, extractor = FeatureStore(tmp_path), Captions()
    with caplog.at_level(logging.INFO):
        assert list(extract_missing([extractor], captions(70), store, Limits(), Here())) == []
    assert store.read(extractor.identity, ["002", "069"]).tolist() == [[2.0], [69.0]]
    assert len(list(tmp_path.rglob("part-*"))) == 3
    assert "captions: 1 of 70 clips could not be used and count as absent; see the warnings above" in caplog.messages


@pytest.mark.parametrize("stored", [0, CHUNK])
def test_a_chunk_says_what_it_came_to(tmp_path, stored):
    contents = captions(stored + 2)
    (chunk,) = chunks_of([Captions()], contents, [list(contents["text"])[stored:]])
    done = Featurizer([Captions()], tmp_path, Limits())(chunk)
    assert (done.places, done.size) == ((0,), 2)
    assert done.tallies[0].encoded == (1 if stored == 0 else 2)
    assert done.counts == {"captions_encoded": done.tallies[0].encoded}
