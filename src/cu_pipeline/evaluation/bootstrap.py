from collections.abc import Callable, Mapping

import numpy as np

from cu_pipeline.evaluation.metrics import Answers


def intervals(
    answers: Answers, metrics: Mapping[str, Callable[[Answers], float]], seed: int, draws: int
) -> dict[str, list[float]]:
    """Give 95 % percentile bootstrap intervals of metrics, clips being drawn with replacement.

    Source: Efron & Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13.

    Args:
        answers: of n clips.
        metrics: name -> function.
        seed: of the draws.
        draws: number of resamples.

    Returns:
        Name -> [low, high].
    """
    random = np.random.default_rng(seed)
    n = len(answers)
    samples: dict[str, list[float]] = {name: [] for name in metrics}
    for _ in range(draws):
        resampled = answers.take(random.integers(0, n, n))
        for name, metric in metrics.items():
            samples[name].append(metric(resampled))
    return {name: [float(edge) for edge in np.percentile(values, [2.5, 97.5])] for name, values in samples.items()}
