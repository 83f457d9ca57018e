"""The arrays that divide clips do exactly what the plain words say, on feeds and ledgers of all kinds."""

import random
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from tests.splitting.plain import Given, plain_leakage, plainly_divided

from cu_pipeline.core.hashing import text_sha256
from cu_pipeline.core.records import DUPLICATES, SPLITS, Split, table
from cu_pipeline.splitting import groups
from cu_pipeline.splitting.assignment import divide
from cu_pipeline.splitting.checks import find_leakage
from cu_pipeline.splitting.options import SplitOptions

ARROW = pd.StringDtype("pyarrow")
TEXTS = ["", "hi", "Hi  there", "hi THERE", "straße", "STRASSE", "\u00a0", "fyp", "ho\u2028x"]
CREATORS = ["", "", "Café", "Tom & J", "a b", "日本"]
FROM = datetime(2026, 3, 1, tzinfo=UTC)


def feed(rng, clips, kinds):
    """Clips that share creators, contents and captions with those of this and other feeds of as many kinds."""
    texts, creators = TEXTS + [f"t{n}" for n in range(kinds)], CREATORS + [f"c{n}" for n in range(kinds)]
    dates = ["", "2026-02-28", "2026-03-01T00:30:00+01:00", *((FROM + timedelta(d)).isoformat() for d in (-3, 0))]
    rows = []
    for number in rng.sample(range(3 * clips), clips):
        text, media = rng.choice(texts), rng.choice(["", "", *(f"m{n}" for n in range(kinds))])
        told = (rng.choice(creators), text, rng.choice(dates), media, text and text_sha256(text))
        rows.append((f"k{number}", *told))
    columns = ["clip_id", "creator", "text", "posted_at", "media_sha256", "text_sha256"]
    return pd.DataFrame(rows, columns=columns, dtype="object")


def copies(rng, clips):
    names, rows = rng.sample(clips["clip_id"].tolist(), len(clips)), []
    while len(names) > 3 and rng.random() < 0.6:
        group, names = sorted(names[:3]), names[3:]
        rows += [{"clip_id": name, "duplicate_group": group[0], "bits": 1.0} for name in group]
    return table(rows, DUPLICATES)


def misspelt(rng, ledger):
    """Spell some creators as an earlier version did."""
    keys = [key.replace("é", "e\u0301") + rng.choice(["", " "]) if key[:2] == "cr" else key for key in ledger["key"]]
    return ledger.assign(key=keys).sample(frac=1, random_state=rng.randrange(99)).reset_index(drop=True)


def as_dictionary(ledger):
    rows = ledger[list(SPLITS)].to_numpy().tolist()
    return {(key, made): Given(Split(split), since, tested) for key, made, split, since, tested in rows}


def in_arrow(frame):
    return frame.astype({name: ARROW for name in frame if frame[name].dtype == object})


def options_of(rng):
    shares = rng.choice([(0.7, 0.15, 0.15), (0.4, 0.3, 0.3), (0.0, 0.5, 0.5), (1.0, 0.0, 0.0)])
    chosen = dict(zip(("train", "validation", "test"), shares, strict=True))
    chosen |= {"common_caption": rng.choice([2, 3, 4, 10]), "largest_unit": rng.choice([0.02, 0.1, 0.3, 1])}
    return chosen | ({"test_from": "2026-03-01"} if shares[0] and rng.random() < 0.4 else {})


@pytest.mark.parametrize("seed", range(40))
def test_arrays_divide_as_the_plain_words_say_and_remember_the_same(seed, monkeypatch):
    rng = random.Random(seed)
    monkeypatch.setattr(groups, "ALWAYS_SMALL", rng.choice([1, 2, 4, 20]))
    chosen, kinds, ledger = options_of(rng), rng.choice([3, 8, 30]), table([], SPLITS)
    for _ in range(4):
        options = SplitOptions(**chosen, salt=rng.choice(["17", "17", "other"]))
        clips = feed(rng, rng.choice([0, 1, 5, 20, 60]), kinds)
        duplicates = copies(rng, clips)
        rows, given = plainly_divided(clips, duplicates, as_dictionary(ledger), options)
        divided, now = divide(clips, duplicates, ledger, options)
        assert list(divided[["group", "split", "apart"]].itertuples(index=False, name=None)) == rows
        assert list(now[["key", "division"]].itertuples(index=False, name=None)) == sorted(given)
        assert as_dictionary(now) == given
        ledger = misspelt(rng, now) if rng.random() < 0.3 else now


def test_columns_of_objects_and_of_arrow_give_the_same_in_their_own_type():
    rng = random.Random(5)
    ledger = table([], SPLITS)
    for _ in range(2):
        clips = feed(rng, 60, 8)
        duplicates = copies(rng, clips)
        divided, now = divide(clips, duplicates, ledger, SplitOptions())
        other, same = divide(in_arrow(clips), in_arrow(duplicates), in_arrow(ledger), SplitOptions())
        pd.testing.assert_frame_equal(other, in_arrow(divided))
        pd.testing.assert_frame_equal(same, in_arrow(now))
        assert divided["group"].dtype == now["key"].dtype == object
        ledger = now


@pytest.mark.parametrize("seed", range(8))
def test_leaks_are_counted_as_the_plain_words_say(seed):
    rng = random.Random(seed)
    clips = feed(rng, rng.choice([0, 1, 80]), 20)
    clips["split"] = [rng.choice(["train", "train", "validation", "test", "left_out"]) for _ in range(len(clips))]
    duplicates, bound = copies(rng, clips), rng.choice([2, 5])
    expected = plain_leakage(clips, duplicates, bound)
    assert find_leakage(clips, duplicates, bound) == expected
    assert find_leakage(in_arrow(clips), in_arrow(duplicates), bound) == expected


def test_the_clips_that_are_given_stay_as_they_are():
    clips = feed(random.Random(1), 20, 3)
    before = clips.copy()
    divide(clips, table([], DUPLICATES), pd.DataFrame(), SplitOptions())
    pd.testing.assert_frame_equal(clips, before)
