import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cu_pipeline.core.errors import BadClipError, StoreError
from cu_pipeline.dedup.frame_hashes import HashLog
from cu_pipeline.dedup.hash_table import Hashed
from cu_pipeline.media.perceptual import BITS, FRAMES, WORDS, frame_hashes, hash_picture, mirror_mask

shapes = np.random.default_rng(3)


def picture(seed=0, side=80):
    """Give a smooth random picture."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 255, (12, 12))
    places = np.linspace(0, 11, side)
    rows = np.stack([np.interp(places, range(12), column) for column in coarse.T], axis=1)
    return np.stack([np.interp(places, range(12), row) for row in rows]).astype(np.float32)


def bits(one, other):
    return int(np.bitwise_count(one ^ other).sum())


def film(path, pictures):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=8)
        stream.width, stream.height = pictures[0].shape[::-1]
        for grey in pictures:
            image = np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("seed", range(5))
def test_a_mirrored_picture_flips_known_bits(seed):
    grey = picture(seed)
    mirrored = hash_picture(np.ascontiguousarray(grey[:, ::-1]))
    assert bits(hash_picture(grey) ^ mirror_mask(), mirrored) <= 2
    assert 100 <= int(np.bitwise_count(mirror_mask()).sum()) <= BITS - 100


@settings(max_examples=40)
@given(st.integers(0, 1000), st.floats(0.4, 0.9), st.floats(0, 20))
def test_light_and_size_change_few_bits_and_other_pictures_many(seed, gain, offset):
    grey = picture(seed)
    assert bits(hash_picture(grey), hash_picture(grey * np.float32(gain) + np.float32(offset))) <= 2
    assert bits(hash_picture(grey), hash_picture(picture(seed, side=160))) <= 40
    assert bits(hash_picture(grey), hash_picture(picture(seed + 5000))) >= 80


def test_a_picture_that_shows_nothing_has_no_bits():
    assert not hash_picture(np.full((80, 80), 255, np.float32)).any()


def test_a_clip_has_hashes_of_whole_and_cropped_frames(tmp_path):
    pictures = [picture(seed, side=160) for seed in range(FRAMES)]
    hashes = frame_hashes(film(tmp_path / "a.mp4", pictures))
    assert hashes.shape == (FRAMES, 2, WORDS)
    for found, grey in zip(hashes, pictures, strict=True):
        assert bits(found[0], hash_picture(grey)) <= 40
        assert bits(found[1], hash_picture(grey[8:-8, 8:-8])) <= 40


def test_a_broken_file_is_refused(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no")
    with pytest.raises(BadClipError):
        frame_hashes(tmp_path / "a.mp4")


def test_hashes_are_read_back_and_a_torn_line_is_forgotten(tmp_path):
    path = tmp_path / "folder" / "hashes.jsonl"
    hashes = shapes.integers(0, 2**64, (FRAMES, 2, WORDS), dtype=np.uint64)
    log = HashLog(path)
    assert log.read() == {}
    log.append([Hashed("a", hashes), Hashed("b")])
    path.write_bytes(path.read_bytes() + b'{"key": "c", "ha')
    found = log.read()
    assert list(found) == ["a", "b"]
    np.testing.assert_array_equal(found["a"].hashes, hashes)
    assert found["b"].hashes is None
    log.append([Hashed("c")])
    assert list(log.read()) == ["a", "b", "c"]


@pytest.mark.parametrize("line", [b"{}", b"words", b'{"key": "a", "hashes": "AAAAAAAAAAA="}'])
def test_a_damaged_line_names_itself_and_the_remedy(tmp_path, line):
    (tmp_path / "a.jsonl").write_bytes(line + b"\n")
    with pytest.raises(StoreError, match=r"line 1 is damaged \(.*\): delete the file"):
        HashLog(tmp_path / "a.jsonl").read()
