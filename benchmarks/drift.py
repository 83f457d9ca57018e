"""Measure false alarms and power of the drift tests on real captions and on the sample world, beside Evidently.

    python benchmarks/drift.py [NAME=MANIFEST …] [--runs 200] [--months 40] [--cache FOLDER] [--output drift.json]

Captions are embedded by the product's own extractor. Each run divides the creators at random: those that a model learns
from, those that it is validated on, and those whose clips the service sees, so that nothing has drifted. The model is
one of nearest class means, and learns anew in each run. Then the service's clips are changed, to measure power. The
sample world (captions only) is the set `sample`. Shares are told with their Monte-Carlo standard error.
"""

import argparse
import csv
import json
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.drift.compare import Comparison, compare
from cu_pipeline.drift.looks import Look, next_look
from cu_pipeline.drift.options import DriftOptions, WindowOptions
from cu_pipeline.drift.samples import ClipSample
from cu_pipeline.features.caption_encoder import CaptionEncoder
from cu_pipeline.sample.clip_plans import original
from cu_pipeline.sample.options import Drift, SampleOptions

START = datetime(2026, 3, 1, tzinfo=UTC)
PARTS = json.dumps({"captions@1": 384})
DAYS = 30
OPTIONS = DriftOptions(facts=("text_length",))
DAILY = OPTIONS.alpha * (1 - OPTIONS.looks.extra) / OPTIONS.looks.horizon_days

Random = np.random.Generator
Change = Callable[[pd.DataFrame, "Pool", Random], pd.DataFrame]


@dataclass(frozen=True)
class Pool:
    """Clips that are drawn from.

    Attributes:
        clips: columns creator, topic, text, embedding.
        changed: the same for clips that only changed feeds have: "style", "topic".
        empty: the embedding of no caption.
        right: None: the model reads captions; else it is told the truth of so large a share of clips, as one that
            sees pictures too.
    """

    clips: pd.DataFrame
    changed: dict[str, pd.DataFrame]
    empty: np.ndarray
    right: float | None = None


@dataclass(frozen=True)
class Division:
    """What a model learned from, and what the service sees."""

    reference: ClipSample
    current: ClipSample


def embedded(rows: list[dict[str, str]], cache: Path) -> pd.DataFrame:
    """Add embeddings of captions to rows, once."""
    texts = [row["text"] for row in rows]
    path = cache / f"{json_sha256(texts)[:16]}.npy"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        np.save(path, CaptionEncoder().encode(texts).astype(np.float16))
    return pd.DataFrame(rows).assign(embedding=list(np.load(path)))


def feed(manifest: Path, cache: Path) -> Pool:
    """A real feed; its third most frequent class is the new topic, and captions with hashtags the new style."""
    with manifest.open(newline="", encoding="utf-8") as stream:
        read = list(csv.DictReader(stream))
    rows = [{"creator": row["creator"], "topic": row["label"], "text": row["text"]} for row in read]
    new = pd.Series([row["topic"] for row in rows]).value_counts().index[2]
    usual = [row for row in rows if row["topic"] != new]
    style = [row | {"text": f"{row['text'].lower()} #fyp #viral"} for row in usual]
    strange = [row for row in rows if row["topic"] == new]
    changed = {"style": embedded(style, cache), "topic": embedded(strange, cache)}
    return Pool(embedded(usual, cache), changed, CaptionEncoder().encode([""])[0])


def sample_world(clips: int, cache: Path) -> Pool:
    """The sample world's captions, of one creator for every six clips, and a model that is right in 80 %."""
    options = SampleOptions(creators=clips // 6)

    def planned(drift: Drift, first: int, number: int) -> pd.DataFrame:
        asked = options.model_copy(update={"drift": drift})
        plans = [original(asked, place) for place in range(first, first + number)]
        return embedded([{"creator": one.creator, "topic": one.topic, "text": one.text} for one in plans], cache)

    changed = {
        "style": planned(Drift(new_slang=1.0), clips, clips // 4),
        "topic": planned(Drift(new_topic=1.0), 2 * clips, clips // 4),
    }
    return Pool(planned(Drift(), 0, clips), changed, CaptionEncoder().encode([""])[0], right=0.8)


def divide(pool: Pool, n: int, rng: Random, change: Change | None = None) -> Division:
    """Divide creators at random, so that the service sees about `n` clips and the others are learned from."""
    creators = rng.permutation(pool.clips["creator"].unique())
    sizes = pool.clips["creator"].value_counts()[creators].cumsum()
    now = set(creators[: int(np.searchsorted(sizes, n)) + 1])
    others = creators[len(now) :]
    validated = set(others[: len(others) // 4])
    seen = pool.clips["creator"].isin(now)
    current = pool.clips[seen].sample(frac=1, random_state=int(rng.integers(1 << 31)))
    if change is not None:
        current = change(current, pool, rng)
    learned = pool.clips[~seen & ~pool.clips["creator"].isin(validated)]
    sides = [learned, pool.clips[pool.clips["creator"].isin(validated)], current]
    tables = [_answered(side, learned, pool.right, rng) for side in sides]
    reference = [tables[0].assign(split="train"), tables[1].assign(split="validation")]
    times = [START + timedelta(days=DAYS * place / len(current)) for place in range(len(current))]
    return Division(ClipSample(pd.concat(reference, ignore_index=True)), ClipSample(tables[2].assign(time=times)))


def _answered(clips: pd.DataFrame, learned: pd.DataFrame, right: float | None, rng: Random) -> pd.DataFrame:
    """Describe clips as the log does, with the answers of a model of nearest class means, or of one that is told."""
    classes = sorted(learned["topic"].unique())
    known = np.stack(learned["embedding"]).astype(np.float32)
    means = np.stack([known[(learned["topic"] == name).to_numpy()].mean(axis=0) for name in classes])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    scores = 12 * np.stack(clips["embedding"]).astype(np.float32) @ means.T
    if right is not None:
        told = [classes.index(name) if name in classes else -1 for name in clips["topic"]]
        knows = (rng.random(len(clips)) < right) & (np.array(told) >= 0)
        said = np.where(knows, told, rng.integers(len(classes), size=len(clips)))
        scores = 3.0 * np.eye(len(classes))[said] + rng.normal(0, 0.5, (len(clips), len(classes)))
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return pd.DataFrame(
        {
            "clip_id": [str(number) for number in range(len(clips))],
            "group": "creator:" + clips["creator"].to_numpy(),
            "embedding": list(clips["embedding"]),
            "parts": PARTS,
            "text_length": clips["text"].str.len().to_numpy(dtype=float),
            "labels": [json.dumps({"topic": classes[place]}) for place in shares.argmax(axis=1)],
            "predictions": [json.dumps({"topic": dict(zip(classes, row, strict=True))}) for row in shares.tolist()],
        }
    )


def more_of_a_class(clips: pd.DataFrame, _: Pool, rng: Random) -> pd.DataFrame:
    """Ten points more of the commonest class: clips of others are left out."""
    name = clips["topic"].value_counts().index[0]
    mine = (clips["topic"] == name).to_numpy()
    share = mine.mean()
    kept = (share / (share + 0.1)) * (1 - share - 0.1) / (1 - share)
    return clips[mine | (rng.random(len(clips)) < kept)]


def replaced(clips: pd.DataFrame, pool: Pool, rng: Random, kind: str, share: float) -> pd.DataFrame:
    """Put clips of a changed feed in the place of a share of them."""
    fresh = pool.changed[kind]
    places = np.flatnonzero(rng.random(len(clips)) < share)
    drawn = fresh.iloc[rng.choice(len(fresh), len(places), replace=len(places) > len(fresh))]
    changed = clips.reset_index(drop=True).copy()
    columns = ["topic", "text", "embedding", *(["creator"] if kind == "topic" else [])]
    for column in columns:
        values = changed[column].to_numpy(dtype=object, copy=True)
        values[places] = drawn[column].to_numpy(dtype=object)
        changed[column] = values
    return changed


def without_captions(clips: pd.DataFrame, pool: Pool, rng: Random) -> pd.DataFrame:
    """A tenth of the captions got lost."""
    lost = rng.random(len(clips)) < 0.1
    vectors = [pool.empty if gone else vector for gone, vector in zip(lost, clips["embedding"], strict=True)]
    return clips.assign(text=clips["text"].where(~lost, ""), embedding=vectors)


CHANGES: dict[str, Change] = {
    "class mix +10 points": more_of_a_class,
    "new style in 25 %": partial(replaced, kind="style", share=0.25),
    "new topic 10 %": partial(replaced, kind="topic", share=0.1),
    "empty captions 10 %": without_captions,
}


def looked(division: Division, options: DriftOptions, look: Look, earlier: list[Look], seed: int) -> Comparison:
    references = {"topic": division.reference}
    return compare(references, division.current, {"topic": Kind.SINGLE}, options, seed, look, earlier)


def once(pool: Pool, n: int, change: str | None, seed: int) -> dict[str, object]:
    """Which tests of one look at n clips find drift, at the whole alpha and at that of a daily look."""
    rng = np.random.default_rng([n, seed])
    division = divide(pool, n, rng, CHANGES[change] if change else None)
    options = OPTIONS.model_copy(update={"windows": WindowOptions(clips=max(20, n), days=365)})
    time_ = division.current.table["time"].iloc[-1]
    found: dict[str, object] = {"creators": division.current.table["group"].nunique()}
    tests = looked(division, options, Look(str(seed), time_, DAILY), [], seed).tests
    for name, alpha in (("alpha", options.alpha), ("daily", DAILY)):
        found[name] = [one.name for one in tests if one.p_adjusted <= alpha and one.effect >= one.least_effect]
    return found


def month(pool: Pool, clips: int, seed: int) -> bool:
    """Whether any of thirty daily looks at a growing log finds drift."""
    division = divide(pool, clips, np.random.default_rng([clips, 1, seed]))
    earlier: list[Look] = []
    for day in range(1, DAYS + 1):
        table = division.current.table
        seen = table[(table["time"] < START + timedelta(days=day)).to_numpy()]
        look = next_look(str(day), seen["time"].iloc[-1], earlier, OPTIONS.alpha, OPTIONS.looks)
        outcome = looked(Division(division.reference, ClipSample(seen)), OPTIONS, look, earlier, seed)
        if any(one.drifted for one in outcome.tests):
            return True
        if outcome.tests:
            earlier.append(look)
    return False


def evidently(pool: Pool, n: int, change: str | None, seed: int) -> bool:
    """Whether Evidently's default preset flags any column of the same windows."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    division = divide(pool, n, np.random.default_rng([n, seed]), CHANGES[change] if change else None)
    sides = []
    for side in (division.reference, division.current):
        vectors = side.embedding("captions@1", {})[:, :8]
        frame = pd.DataFrame(vectors, columns=[f"embedding_{place}" for place in range(8)])
        frame["text_length"], frame["confidence"] = side.fact("text_length"), side.confidence("topic", Kind.SINGLE)
        sides.append(frame.assign(label=side.labels("topic")))
    numbers = [name for name in sides[0] if name != "label"]
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=["label"])
    data = [Dataset.from_pandas(side, definition) for side in sides]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        told = json.loads(Report([DataDriftPreset()]).run(data[1], data[0]).json())
    return any(metric["value"]["count"] > 0 for metric in told["metrics"] if "DriftedColumns" in metric["metric_name"])


def share(found: list[bool]) -> str:
    rate = float(np.mean(found))
    return f"{rate:.1%} ± {np.sqrt(max(rate * (1 - rate), 1 / len(found) ** 2) / len(found)):.1%}"


def measured(name: str, pool: Pool, runs: int, months: int) -> Iterator[dict[str, object]]:
    """Measure a pool."""
    clips = len(pool.clips)
    with ProcessPoolExecutor(2) as workers:
        for n in (200, 1000, 5000):
            if n > clips * 0.6:
                continue
            found = list(workers.map(partial(once, pool, n, None), range(runs)))
            row = {"set": name, "what": "null", "clips": n, "creators": found[0]["creators"]}
            row |= {level: share([bool(one[level]) for one in found]) for level in ("alpha", "daily")}
            row["tests"] = _counts(found, "alpha")
            row["evidently"] = share(list(workers.map(partial(evidently, pool, n, None), range(min(runs, 20)))))
            yield row
        if clips >= 2000:
            for n in (1000, *([6000] if clips > 10_000 else [])):
                found_months = list(workers.map(partial(month, pool, n), range(months)))
                yield {"set": name, "what": "month of 30 looks", "clips": n, "alpha": share(found_months)}
            for change in CHANGES:
                found = list(workers.map(partial(once, pool, 1000, change), range(runs)))
                row = {"set": name, "what": change, "clips": 1000, "creators": found[0]["creators"]}
                row |= {level: share([bool(one[level]) for one in found]) for level in ("alpha", "daily")}
                yield row | {"tests": _counts(found, "daily")}


def _counts(found: list[dict[str, object]], level: str) -> dict[str, int]:
    named = pd.Series([test for one in found for test in one[level]], dtype=object)
    return {str(name): int(number) for name, number in named.value_counts().items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("feeds", nargs="*", help="NAME=MANIFEST")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--months", type=int, default=40)
    parser.add_argument("--sample", type=int, default=12_000, help="captions of the sample world; 0: none")
    parser.add_argument("--cache", type=Path, default=Path(".cache/drift"))
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    pools = {name: feed(Path(path), given.cache) for name, _, path in (one.partition("=") for one in given.feeds)}
    if given.sample:
        pools["sample"] = sample_world(given.sample, given.cache)
    rows = []
    for name, pool in pools.items():
        print(f"{name}: {len(pool.clips)} clips of {pool.clips['creator'].nunique()} creators")
        started = time.perf_counter()
        for row in measured(name, pool, given.runs, given.months):
            rows.append(row | {"seconds": round(time.perf_counter() - started)})
            print(rows[-1], flush=True)
            started = time.perf_counter()
            if given.output:
                given.output.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
