from cu_pipeline.drift.compare import Comparison, Decision
from cu_pipeline.drift.options import DriftOptions


def summarise(comparison: Comparison, clips: int, options: DriftOptions) -> str:
    """Say in plain words what a comparison found.

    Args:
        comparison: the outcome.
        clips: how many current clips there were.
        options: what was asked for.
    """
    return _TEXTS[comparison.decision](comparison, clips, options) + _left_out(comparison)


def _not_enough(comparison: Comparison, clips: int, options: DriftOptions) -> str:
    if not comparison.missing:
        return "Not enough data: the reference is too small."
    return (
        f"Not enough data: the service has answered for {clips} distinct clips with the current models, and "
        f"{options.min_clips} are needed; {comparison.missing} more will do."
    )


def _none(comparison: Comparison, clips: int, options: DriftOptions) -> str:
    tests = len(comparison.tests)
    return (
        f"No drift found: none of {tests} tests on {clips} clips tells them from the reference, at a chance of "
        f"{options.alpha:.0%} of any false alarm."
    )


def _found(comparison: Comparison, clips: int, options: DriftOptions) -> str:
    drifted = sorted((test for test in comparison.tests if test.drifted), key=lambda test: test.p_adjusted)
    what = "; ".join(f"{test.name} ({test.in_words})" for test in drifted)
    return (
        f"Drift: {len(drifted)} of {len(comparison.tests)} tests tell these {clips} clips from the reference, at "
        f"a chance of {options.alpha:.0%} of any false alarm: {what}."
    )


_TEXTS = {
    Decision.NOT_ENOUGH_DATA: _not_enough,
    Decision.NO_DRIFT: _none,
    Decision.DRIFT: _found,
}


def _left_out(comparison: Comparison) -> str:
    return "".join(f" Left out: {name}, since {why}." for name, why in comparison.skipped.items())
