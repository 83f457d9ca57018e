"""Feeds by creators, made up: what the tests of drift are tried on."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from cu_pipeline.core.capability import Kind
from cu_pipeline.drift.looks import Look
from cu_pipeline.drift.options import DriftOptions
from cu_pipeline.drift.samples import ClipSample

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
CAPABILITIES = {"topic": Kind.SINGLE, "safety": Kind.MULTI}
TOPICS = ("cats", "dogs", "cars")
OPTIONS = DriftOptions(permutations=299)
PARTS = {"frames@1a": 8, "captions@2b": 4}
WIDTH = sum(PARTS.values())


def clips(rng, n, creators=None, split="train", likeness=0.5, shift=0.0, share=0.4, longer=0.0, empty=0.0, new=0.0):
    """Draw clips of creators, whose clips are alike.

    Args:
        rng: source of randomness.
        n: how many.
        creators: numbers of those that they are drawn from; None: each clip stands alone.
        split: of the clips.
        likeness: variance between creators, as a share of all.
        shift: moves embeddings.
        share: of the first topic.
        longer: adds to durations.
        empty: share of clips without a caption.
        new: share of clips of a topic that is far from all others.
    """
    of = rng.choice(creators, n) if creators is not None else rng.integers(1 << 40, size=n)
    names, unit = np.unique(of, return_inverse=True)
    own = np.stack([np.random.default_rng([99, name]).normal(size=WIDTH + 2) for name in names])[unit]
    mixed = np.sqrt(likeness) * own + np.sqrt(1 - likeness) * rng.normal(size=own.shape)
    vectors, taste, length = mixed[:, :WIDTH] + shift, mixed[:, WIDTH], mixed[:, WIDTH + 1]
    vectors[rng.random(n) < new] += np.r_[np.full(4, 5.0), np.zeros(WIDTH - 4)]
    topics = np.where(rng.random(n) < share, 0, 1 + (taste > 0))
    sure = rng.uniform(0.4, 1, n)
    topic = np.where(np.arange(3) == topics[:, None], sure[:, None], (1 - sure[:, None]) / 2)
    safety = rng.uniform(0, (1, 0.6), (n, 2))
    answers = [
        {"topic": dict(zip(TOPICS, p, strict=True)), "safety": dict(zip(("advert", "violence"), q, strict=True))}
        for p, q in zip(topic.tolist(), safety.tolist(), strict=True)
    ]
    flags = ["|".join(name for name, p in one["safety"].items() if p > 0.5) or "none" for one in answers]
    labels = [{"topic": TOPICS[k], "safety": flag} for k, flag in zip(topics, flags, strict=True)]
    table = {
        "clip_id": [f"{split}-{number}-{name}" for number, name in enumerate(of)],
        "time": [NOON + timedelta(minutes=number) for number in range(n)],
        "group": [f"creator:{name}" for name in of],
        "embedding": list(vectors.astype(np.float32)),
        "parts": json.dumps(PARTS),
        "duration_s": np.round(np.exp(length) + longer, 1),
        "width": rng.choice([720.0, 1080.0, np.nan], n),
        "height": 1280.0,
        "fps": rng.choice([25.0, 30.0], n),
        "bytes": rng.integers(100_000, 1_000_000, n),
        "text_length": np.where(rng.random(n) < empty, 0, 1 + rng.poisson(20, n)),
        "labels": list(map(json.dumps, labels)),
        "predictions": list(map(json.dumps, answers)),
        "split": split,
    }
    return ClipSample(pd.DataFrame(table))


def joined(*samples):
    """Put samples together."""
    return ClipSample(pd.concat([one.table for one in samples], ignore_index=True))


def world(seed, reference=(120, 60), current=100, creators=60, known=0, **drift):
    """Draw a reference of training and validation clips, and current ones that may have drifted.

    Args:
        seed: of everything.
        reference: clips for training and validation.
        current: clips of the service.
        creators: that each of the three has.
        known: so many of the current clips' creators are those of the training clips.
        drift: of the current clips, as for `clips`.
    """
    rng = np.random.default_rng(seed)
    base = 10_000 * seed
    learned, validated = np.arange(base, base + creators), np.arange(base + 1000, base + 1000 + creators)
    now = np.r_[learned[:known], np.arange(base + 2000, base + 2000 + creators - known)]
    sides = clips(rng, reference[0], learned), clips(rng, reference[1], validated, "validation")
    return joined(*sides), clips(rng, current, now, **drift)


def look(alpha=0.05):
    """A look at some level."""
    return Look("id", NOON, alpha)
