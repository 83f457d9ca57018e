"""Splits of a feed in which creators copy one another, of sizes where that keys most of them together."""

from collections import Counter
from functools import cache

import pandas as pd
import pytest

from cu_pipeline.core.hashing import text_sha256
from cu_pipeline.core.records import DUPLICATES, LEFT_OUT, SPLITS, table
from cu_pipeline.sample.clip_plans import plan_world
from cu_pipeline.sample.options import SampleOptions
from cu_pipeline.splitting.assignment import divide
from cu_pipeline.splitting.checks import find_leakage
from cu_pipeline.splitting.options import SplitOptions

ASKED = {"train": 0.70, "validation": 0.15, "test": 0.15}


@cache
def feed(clips):
    """Give captions and creators of the generated feed, and which clips are copies; no media are rendered."""
    plans = plan_world(SampleOptions(clips=clips, broken=0, creators=60))
    rows = [(one.clip_id, one.creator, one.text, one.clip_id, text_sha256(one.text)) for one in plans]
    columns = ["clip_id", "creator", "text", "media_sha256", "text_sha256"]
    pairs = [sorted((one.clip_id, one.near_duplicate_of)) for one in plans if one.near_duplicate_of]
    copies = [{"clip_id": clip, "duplicate_group": pair[0], "bits": 9.0} for pair in pairs for clip in pair]
    return pd.DataFrame(rows, columns=columns, dtype="object").assign(path="", posted_at=""), table(copies, DUPLICATES)


def divided(clips, ledger=None, **split):
    rows, duplicates = feed(clips)
    earlier = table([], SPLITS) if ledger is None else ledger
    rows, given = divide(rows, duplicates, earlier, SplitOptions(**split))
    left_out = rows["split"] == LEFT_OUT
    return rows[~left_out], given, rows[left_out]


def shares(kept):
    return {split: n / len(kept) for split, n in Counter(kept["split"]).items()}


def test_without_a_limit_copies_tie_the_feed_together():
    kept, _, left_out = divided(3000, largest_unit=1)
    assert kept["group"].value_counts().max() > 0.9 * len(kept)
    assert left_out.empty


@pytest.mark.parametrize("clips", [720, 1440, 3000])
def test_splits_are_near_what_was_asked_and_few_clips_are_lost(clips):
    kept, _, left_out = divided(clips)
    found = shares(kept)
    assert all(abs(found[split] - share) < 0.06 for split, share in ASKED.items())
    assert len(left_out) < 0.02 * (len(kept) + len(left_out))
    leakage = find_leakage(kept, feed(clips)[1], common_caption=10)
    assert (leakage["creators"]["shared"], leakage["duplicate_groups"]["shared"]) == (0, 0)
    assert leakage["captions"]["shared"] < 0.01 * len(kept)


def test_a_feed_that_grows_keeps_its_placements_and_its_shares():
    ledger, before = None, {}
    for clips in (240, 720, 1440, 3000):
        kept, ledger, left_out = divided(clips, ledger)
        now = dict(zip(kept["clip_id"], kept["split"], strict=True))
        assert before.items() <= now.items()
        assert len(left_out) < 0.02 * (len(kept) + len(left_out))
        before = now
    found = shares(kept)
    assert all(abs(found[split] - share) < 0.06 for split, share in ASKED.items())


def test_a_limit_that_grows_with_the_feed_joins_no_units_that_were_placed_apart():
    kept, ledger, _ = divided(1440)
    now, _, _ = divided(1440, ledger, largest_unit=1)
    before = dict(zip(kept["clip_id"], kept["split"], strict=True))
    assert dict(zip(now["clip_id"], now["split"], strict=True)) == before


def test_the_default_feed_needs_no_limit():
    kept, _, left_out = divided(240)
    free, _, _ = divided(240, largest_unit=1)
    pd.testing.assert_frame_equal(kept, free)
    assert Counter(kept["split"]) == {"train": 196, "validation": 29, "test": 27}
    assert left_out.empty
