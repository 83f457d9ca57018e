import csv
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cu_pipeline.compute.worker_pool import LocalMapper
from cu_pipeline.dedup.frame_hashes import Hashed, hash_key
from cu_pipeline.dedup.matching import (
    DuplicateOptions,
    candidate_pairs,
    caption_similarity,
    distances,
    duplicate_groups,
    match,
)
from cu_pipeline.media.perceptual import FRAMES, WORDS, frame_hashes, mirror_mask
from cu_pipeline.sample.generate import generate
from cu_pipeline.sample.options import SampleOptions


def random_hashes(clips, seed=0):
    return np.random.default_rng(seed).integers(1, 2**64, (clips, FRAMES, 2, WORDS), dtype=np.uint64)


def flipped(hashes, share, seed=1):
    flips = np.random.default_rng(seed).random((*hashes.shape[:-1], WORDS * 64)) < share
    return hashes ^ np.packbits(flips, axis=-1).view(np.uint64)


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
    log = {hash_key(sha): Hashed(hash_key(sha), found) for sha, found in hashes.items()}
    found = duplicate_groups(clips, log, DuplicateOptions())
    assert found[["clip_id", "duplicate_group"]].to_numpy().tolist() == [
        ["2", "2"], ["3", "2"], ["5", "2"], ["6", "6"], ["7", "6"],
    ]  # fmt: skip
    assert (found["bits"] == 0).tolist() == [True, True, False, True, True]


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
