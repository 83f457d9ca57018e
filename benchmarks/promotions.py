"""What each promotion of a simulated year was worth, by more clips than a window has.

    python benchmarks/promotions.py FOLDER [--clips 1000]

FOLDER is what `kedro simulate --folder FOLDER` left. For each model of topics that the loop promoted, clips are
rendered as they are posted in the window after it, later in the endless feed than any that the year has shown, and
answered by it and by the model that it replaced. A line of JSON each tells their accuracies, and the difference with
its 95 % interval by creators. Rendering and encoding a thousand clips takes about three minutes on two cores.
"""

import argparse
import json
import os
import tempfile
from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from cu_pipeline.compute.worker_pool import LocalMapper
from cu_pipeline.core.paths import ROOT_VARIABLE
from cu_pipeline.evaluation.paired_test import PairedGain
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.inference.prediction_log import read_log
from cu_pipeline.iterate.project import LEDGER
from cu_pipeline.iterate.year.calendar import YEAR, Window
from cu_pipeline.iterate.year.feed import as_clips, window_uploads
from cu_pipeline.iterate.year.learner import Workshop, answers
from cu_pipeline.iterate.year.options import CAPABILITY, YearOptions
from cu_pipeline.iterate.year.project import LOCAL
from cu_pipeline.iterate.year.rivals import workshop
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.sample.options import SampleOptions


def main() -> None:
    """Measure each promotion."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="of a simulated year")
    parser.add_argument("--clips", type=int, default=1000, help="that each promotion is measured on")
    given = parser.parse_args()
    root = (given.folder / "project").resolve()
    os.environ[ROOT_VARIABLE] = str(root)
    os.chdir(root)
    options = YearOptions(seed=yaml.safe_load((root / LOCAL).read_text("utf-8"))["seed"])
    bundles = {one.version: one for one in _bundles(root)}
    for place, (line, window) in enumerate(_promotions(root, options)):
        effect = line["effect"][CAPABILITY]
        with tempfile.TemporaryDirectory(dir=root) as folder:
            clips, shop = _shown(Path(folder), window, given.clips, place, options)
            right = {role: _right(bundles[effect[role]], clips, shop.store) for role in ("champion", "challenger")}
        gain = PairedGain.of(right["challenger"] - right["champion"], clips["creator"].to_numpy())
        print(
            json.dumps(
                {
                    "iteration": line["number"],
                    "window": window.number,
                    "clips": len(clips),
                    "creators": int(clips["creator"].nunique()),
                    **{role: round(float(one.mean()), 4) for role, one in right.items()},
                    "gain": round(gain.effect, 4),
                    "interval": [round(bound, 4) for bound in gain.interval()],
                }
            ),
            flush=True,
        )


def _promotions(root: Path, options: YearOptions) -> Iterator[tuple[dict[str, Any], Window]]:
    """The iterations that promoted a model of topics, and the window after each; the last window has none."""
    times = [record.time for record in read_log(root / "data/07_model_output/prediction_log").records]
    ends = list(accumulate(options.clips + window.copies for window in YEAR))
    for line in map(json.loads, (root / LEDGER).read_text("utf-8").splitlines()):
        if line["effect"].get(CAPABILITY, {}).get("decision") == "promote" and line["outcome"] == "promoted":
            posted = bisect_left(times, pd.Timestamp(line["started"]).to_pydatetime())
            yield line, YEAR[min(bisect_left(ends, posted) + 1, len(YEAR) - 1)]


def _bundles(root: Path) -> Iterator[Bundle]:
    logged = root.glob("mlruns/artifacts/models/*/artifacts/bundle.json")
    for file in (*logged, *root.glob("data/06_models/**/bundle.json")):
        bundle = Bundle.load(file.parent)
        if bundle.capability == CAPABILITY:
            yield bundle


def _shown(
    folder: Path, window: Window, number: int, place: int, options: YearOptions
) -> tuple[pd.DataFrame, Workshop]:
    """Clips of a window that nothing has seen, with their features in a store of their own."""
    root = Path.cwd()
    shop = workshop(root / "conf" / "base", folder / "features", options)
    seen = options.first_clips + len(YEAR) * options.clips + place * number
    posted = SampleOptions(clips=seen, creators=options.creators, seed=options.seed)
    uploads = window_uploads(folder / "clips", window, posted, number, LocalMapper())[:number]
    clips = as_clips(uploads, root)
    shop.featurize(clips)
    return clips, shop


def _right(bundle: Bundle, clips: pd.DataFrame, store: FeatureStore) -> np.ndarray:
    """1.0 where a model is right, (clips)."""
    return (answers(bundle, clips, store)["label"] == clips["topic"]).to_numpy(np.float64)


if __name__ == "__main__":
    main()
