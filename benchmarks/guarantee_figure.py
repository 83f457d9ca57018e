"""Draw the figure of docs/guarantee.md from a seeded simulation.

    python benchmarks/guarantee_figure.py docs/images/guarantee.png

A source whose confidence is its true chance to be right, from Beta(4.5, 0.5); 600 calibration clips, 20,000 clips to be
routed. Along the path of thresholds, from strict to lenient: the share of wrong labels that the calibration clips show,
its upper Clopper-Pearson bound at 1 - delta, the share that is wrong indeed, and the threshold that is certified.
"""

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from scipy.stats import beta

from cu_pipeline.labeling.guarantee.thresholds import Target, certify, threshold_paths

ALPHA, DELTA, SEED = 0.05, 0.05, 8


def main(path: Path) -> None:
    """Write the picture."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    random = np.random.default_rng(SEED)
    sure, pool = random.beta(4.5, 0.5, 600), random.beta(4.5, 0.5, 20_000)
    right = random.random(600) < sure
    levels = threshold_paths(pool[:, None])[0].ravel()
    certified = certify(sure[:, None], right[:, None], pool[:, None], Target(ALPHA, DELTA, {"llm": 0.0}, 0.04))
    share = np.array([(pool >= level).mean() for level in levels])
    accepted = np.array([(sure >= level).sum() for level in levels])
    wrong = np.array([(~right[sure >= level]).sum() for level in levels])
    bound = beta.ppf(1 - DELTA, wrong + 1, accepted - wrong)
    truth = np.array([(1 - pool[pool >= level]).mean() for level in levels])
    at = float((pool >= certified.thresholds["llm"]).mean())

    figure, axes = plt.subplots(figsize=(7, 3.6), dpi=110)
    axes.axhline(ALPHA, color="#b3261e", linewidth=1)
    axes.text(0.012, ALPHA + 0.002, "alpha: the most that may be wrong", color="#b3261e", fontsize=8)
    axes.plot(share, bound, color="#1f5fa8", label="upper bound from the calibration clips, at 1 - delta")
    axes.plot(share, wrong / accepted, ".", color="#1f5fa8", markersize=4, label="wrong among the calibration clips")
    axes.plot(share, truth, color="#555555", linestyle="--", linewidth=1, label="wrong indeed")
    axes.axvspan(0, at, color="#2e7d32", alpha=0.10, linewidth=0)
    axes.axvline(at, color="#2e7d32", linewidth=1.2)
    axes.text(at - 0.01, 0.075, "certified", color="#2e7d32", ha="right", fontsize=9)
    axes.text(at + 0.01, 0.075, "people", color="#555555", fontsize=9)
    axes.set(
        xlim=(0, 1), ylim=(0, 0.12), xlabel="share of clips whose label is accepted", ylabel="share of wrong labels"
    )
    axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(0.08, 1.0))
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Software": ""})
    print(f"certified {at:.1%}: {certified.wrong} of {certified.accepted} wrong, p = {certified.p_value:.2g}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
