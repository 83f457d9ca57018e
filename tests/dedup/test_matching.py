import csv
from collections import Counter
from itertools import combinations, combinations_with_replacement, pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cu_pipeline.compute.mapper import Outcome
from cu_pipeline.compute.worker_pool import LocalMapper
from cu_pipeline.dedup import index
from cu_pipeline.dedup.frame_hashes import HashLog, hash_key, hash_new
from cu_pipeline.dedup.hash_table import Hashed, HashTable
from cu_pipeline.dedup.matching import (
    DuplicateOptions,
    caption_similarity,
    distances,
    duplicate_groups,
    match,
)
from cu_pipeline.media.options import Limits
from cu_pipeline.media.perceptual import FRAMES, WORDS, frame_hashes, mirror_mask
from cu_pipeline.sample.generate import generate
from cu_pipeline.sample.options import SampleOptions


def random_hashes(clips, seed=0):
    return np.random.default_rng(seed).integers(1, 2**64, (clips, FRAMES, 2, WORDS), dtype=np.uint64)


def flipped(hashes, share, seed=1):
    flips = np.random.default_rng(seed).random((*hashes.shape[:-1], WORDS * 64)) < share
    return hashes ^ np.packbits(flips, axis=-1).view(np.uint64)


def candidate_pairs(hashes):
    return np.concatenate([np.empty((0, 2), np.int64), *index.candidate_pairs(hashes)])


def distance(one, other):
    return distances(one[None], other[None])[0]


def test_a_copy_is_near_and_a_stranger_is_not():
    one, other = random_hashes(2)
    assert distance(one, one) == 0
    assert distance(one, flipped(one, 0.05)) == pytest.approx(0.05 * 256, rel=0.3)
    assert distance(one, other) > 90


def test_mirrored_cropped_and_trimmed_copies_are_near():
    one = random_hashes(1)[0]
    cropped = random_hashes(1, seed=2)[0]
    cropped[:, 0] = one[:, 1]
    trimmed = one[[1, 2, 2, 3, 4, 5, 5, 6]]
    for copy in (one ^ mirror_mask(), cropped, trimmed):
        assert distance(one, copy) == distance(copy, one) == 0


def test_a_clip_played_backwards_is_far():
    one = random_hashes(1)[0]
    assert distance(one, one[::-1]) > 60


def test_pictures_that_show_nothing_are_near_to_nothing():
    black = np.zeros((FRAMES, 2, WORDS), np.uint64)
    assert distance(black, black) == 128
    assert len(candidate_pairs(np.stack([black, black]))) == 0


@given(st.integers(0, 10_000), st.integers(0, FRAMES - 1))
def test_the_index_finds_every_pair_with_a_frame_within_three_bits(seed, frame):
    hashes = random_hashes(6, seed)
    rng = np.random.default_rng(seed)
    word = int(hashes[1, 0, 0, 0])
    for bit in rng.choice(64, 3, replace=False):
        word ^= 1 << int(bit)
    hashes[4, frame, 0, 0] = word
    assert [1, 4] in candidate_pairs(hashes).tolist()


def test_the_index_finds_noisy_copies_among_many_and_little_else():
    hashes = random_hashes(3000)
    hashes[2900:] = flipped(hashes[:100], 0.06)
    found = set(map(tuple, candidate_pairs(hashes).tolist()))
    truth = {(place, 2900 + place) for place in range(100)}
    assert len(found & truth) >= 98
    assert len(found - truth) < 1000


def alike(clips, seed):
    """Clips of which each differs in some bits from one of few."""
    rng = np.random.default_rng(seed)
    bits = np.uint64(1) << rng.integers(0, 64, (4, clips, FRAMES, 2, WORDS), dtype=np.uint64)
    return random_hashes(8, seed)[rng.integers(0, 8, clips)] ^ np.bitwise_or.reduce(bits)


def test_frames_meet_that_agree_in_two_of_five_blocks_and_are_near():
    hashes = alike(40, 3)
    words = [[*clip[:, :, 0].ravel(), *(clip[:, 0, 0] ^ mirror_mask()[0])] for clip in hashes]
    bounds = [0, 13, 26, 39, 52, 64]

    def meet(one, other):
        differ = int(one ^ other)
        equal = sum(not differ >> start & (1 << end - start) - 1 for start, end in pairwise(bounds))
        return equal >= 2 and differ.bit_count() <= 12

    expected = [
        [first, second]
        for first, second in combinations(range(40), 2)
        if any(meet(one, other) for one in words[first] for other in words[second])
    ]
    assert 50 < len(expected) < 780
    found = list(index.candidate_pairs(hashes, window=2000))
    assert np.concatenate(found).tolist() == expected


def test_parts_of_a_table_find_the_pairs_that_the_whole_finds(monkeypatch):
    hashes = alike(1500, 4)
    hashes[::7, 2:5] = 0
    whole = candidate_pairs(hashes)
    for part, clips in ((2**9, 100), (2**13, 1000)):
        monkeypatch.setattr(index, "_PART", part)
        monkeypatch.setattr(index, "_CLIPS", clips)
        np.testing.assert_array_equal(candidate_pairs(hashes), whole)


def test_what_very_many_clips_share_costs_little_and_still_connects_them():
    hashes = np.repeat(random_hashes(1), 5000, axis=0)
    pairs = candidate_pairs(hashes)
    assert len(pairs) <= 5000 * 8
    joined = Counter(pairs.ravel().tolist())
    assert len(joined) == 5000


@pytest.mark.parametrize("clips", [0, 1, 2])
def test_few_clips_are_no_special_case(clips):
    pairs, bits = match(random_hashes(clips), [""] * clips, DuplicateOptions())
    assert pairs.shape == (0, 2)
    assert bits.shape == (0,)


def test_alike_captions_count_where_pictures_leave_a_doubt():
    one = random_hashes(1)
    both = np.concatenate([one, flipped(one, 0.17)])
    options = DuplicateOptions()
    assert options.visual_bits < distance(*both) <= options.captioned_bits
    assert len(match(both, ["my cat at home", "my cat at home!"], options)[0]) == 1
    assert len(match(both, ["my cat at home", "a goal in the last minute"], options)[0]) == 0
    assert len(match(both, ["", ""], options)[0]) == 0


def test_captions_are_compared_without_case_and_spaces():
    assert caption_similarity("My  CAT\n at home", "my cat at home") == 1
    assert caption_similarity("my cat at home", "seven goals") == 0


def test_groups_hold_copies_of_copies_and_equal_files():
    first, alone = random_hashes(2)
    hashes = {"a": first, "b": flipped(first, 0.02), "c": alone, "d": None}
    clips = pd.DataFrame(
        [("5", "a"), ("2", "b"), ("3", "b"), ("4", "c"), ("6", "d"), ("7", "d"), ("8", "")],
        columns=["clip_id", "media_sha256"],
    ).assign(text="")
    log = HashTable(Hashed(hash_key(sha), found) for sha, found in hashes.items())
    found = duplicate_groups(clips, log, DuplicateOptions())
    assert found[["clip_id", "duplicate_group"]].to_numpy().tolist() == [
        ["2", "2"], ["3", "2"], ["5", "2"], ["6", "6"], ["7", "6"],
    ]  # fmt: skip
    assert (found["bits"] == 0).tolist() == [True, True, False, True, True]


def warped(one, other):
    """The least mean of bits over ways to match each frame of one with one of the other, in order; by trying all."""
    bits = [[int(np.bitwise_count(left ^ right).sum()) for right in other] for left in one]
    ways = combinations_with_replacement(range(len(other)), len(one))
    return min(sum(bits[row][place] for row, place in enumerate(way)) for way in ways) / len(one)


@pytest.mark.parametrize("seed", range(3))
def test_the_distance_is_the_least_over_all_ways_to_match_frames_in_order(seed):
    one, other = random_hashes(2, seed)[:, :4]
    views = [
        (one[:, 0], other[:, 0]),
        (one[:, 0], other[:, 1]),
        (one[:, 1], other[:, 0]),
        (one[:, 0], other[:, 0] ^ mirror_mask()),
    ]
    expected = min(min(warped(left, right), warped(right, left)) for left, right in views)
    assert distance(one, other) == distance(other, one) == expected


def bits_apart(hashes, count):
    """A copy of which the words of each picture differ in so many bits, all of them fine ones."""
    mask = np.zeros(WORDS, dtype=np.uint64)
    for bit in range(count):
        mask[1 + bit // 64] |= np.uint64(1 << (bit % 64))
    return hashes ^ mask


@pytest.mark.parametrize(("bits", "captions", "are_copies"), [
    (31, ("", ""), True), (32, ("", ""), False), (32, ("abcde", "abcde"), True), (56, ("abcde", "abcde"), True),
    (57, ("abcde", "abcde"), False), (56, ("abcdefg", "abcdexx"), False), (56, ("abcde", "abcdexx"), True),
])  # fmt: skip
def test_clips_are_copies_up_to_the_bounds_and_no_further(bits, captions, are_copies):
    """Of the runs abc bcd cde dex exx three in five are shared: 0.6, the bound; of seven runs three are less."""
    one = random_hashes(1)
    pairs, found = match(np.concatenate([one, bits_apart(one, bits)]), captions, DuplicateOptions())
    assert pairs.tolist() == ([[0, 1]] if are_copies else [])
    assert found.tolist() == ([bits] if are_copies else [])


def test_a_looser_bound_for_pictures_alone_is_kept():
    one = random_hashes(1)
    options = DuplicateOptions(visual_bits=50, captioned_bits=20)
    assert len(match(np.concatenate([one, bits_apart(one, 45)]), ["", ""], options)[0]) == 1


def test_each_clip_has_the_distance_of_the_nearest_other_one_of_its_group():
    middle = random_hashes(1)[0]
    hashes = {"m": middle, "near": bits_apart(middle, 4), "far": flipped(middle, 0.05)}
    clips = pd.DataFrame([("b", "m"), ("c", "near"), ("a", "far")], columns=["clip_id", "media_sha256"]).assign(text="")
    log = HashTable(Hashed(hash_key(sha), found) for sha, found in hashes.items())
    found = duplicate_groups(clips, log, DuplicateOptions())
    assert found[["clip_id", "duplicate_group"]].to_numpy().tolist() == [["a", "a"], ["b", "a"], ["c", "a"]]
    far = min(distance(hashes["far"], hashes[name]) for name in ("m", "near"))
    assert found["bits"].tolist() == [pytest.approx(far, abs=1e-3), 4, 4]


def test_hashes_come_back_from_their_log_with_their_shape_and_where_there_are_none(tmp_path):
    log, (hashes,) = HashLog(tmp_path / "hashes.jsonl"), random_hashes(1)
    log.append([Hashed("a", hashes), Hashed("b")])
    found = HashLog(tmp_path / "hashes.jsonl").read()
    np.testing.assert_array_equal(found["a"].hashes, hashes)
    assert found["b"] == Hashed("b")
    log.append([Hashed("b", hashes), Hashed("a")])
    found = log.read()
    assert [(key, one.hashes is None) for key, one in found.items()] == [("a", True), ("b", False)]
    assert found.rows(["b", "c", "a"]).tolist() == [2, -1, 3]
    assert len(found) == 2


def test_hashes_are_of_the_bytes_the_decoder_and_the_way_of_hashing(monkeypatch):
    keys = {hash_key("a"), hash_key("b")}
    with monkeypatch.context() as patch:
        patch.setattr("cu_pipeline.dedup.frame_hashes.decoder_identity", lambda: "another decoder")
        keys.add(hash_key("a"))
    monkeypatch.setattr("cu_pipeline.dedup.frame_hashes.perceptual.VERSION", 99)
    keys.add(hash_key("a"))
    assert len(keys) == 4


class Noting:
    """A mapper that notes its items and finds no hashes."""

    def __init__(self):
        self.items = []

    def map(self, function, items, **_):
        self.items = [path.name for path in items]
        return (Outcome() for _ in self.items)


def test_each_new_file_is_hashed_once_in_chunks():
    media = [("a", "1.mp4"), ("a", "2.mp4"), ("", ""), ("known", "3.mp4"), *((f"m{n}", f"m{n}.mp4") for n in range(70))]
    rows, mapper = pd.DataFrame(media, columns=["media_sha256", "path"]), Noting()
    chunks = list(hash_new(rows, HashTable([Hashed(hash_key("known"))]), Limits(), mapper))
    assert mapper.items == ["1.mp4", *(f"m{n}.mp4" for n in range(70))]
    assert [len(chunk) for chunk in chunks] == [64, 7]
    assert [one.key for one in chunks[0][:2]] == [hash_key("a"), hash_key("m0")]


def rows(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return {row["clip_id"]: row for row in csv.DictReader(stream)}


@pytest.mark.slow
def test_copies_of_every_kind_are_found_on_the_sample_world(tmp_path):
    manifest = rows(generate(tmp_path, SampleOptions(clips=28, seed=3, near_duplicates=1.0, broken=0), LocalMapper(2)))
    truth = rows(tmp_path / "truth.csv")
    names = list(truth)
    hashes = np.stack([frame_hashes(tmp_path / manifest[name]["path"]) for name in names])
    pairs, _ = match(hashes, [manifest[name]["text"] for name in names], DuplicateOptions())
    found = {frozenset((names[one], names[other])) for one, other in pairs}
    copies = {frozenset((name, row["near_duplicate_of"])) for name, row in truth.items() if row["near_duplicate_of"]}
    assert len(copies) == 28
    assert len(found & copies) / len(copies) >= 0.9
    assert len(found & copies) / len(found) >= 0.99
