"""What a comparison found, in plain words."""

from collections.abc import Callable, Collection
from typing import Final

from cu_pipeline.drift.compare import Comparison, DriftDecision, TestResult
from cu_pipeline.drift.options import DriftOptions
from cu_pipeline.drift.plain_names import plain_name
from cu_pipeline.drift.windows import LATEST, LATEST_PERIOD, SINCE_DECISION, Window


def summarise(comparison: Comparison, options: DriftOptions, capabilities: Collection[str] = ()) -> str:
    """Say in plain words what a comparison found.

    Args:
        comparison: the outcome.
        options: what was asked for.
        capabilities: those that have references.
    """
    found = _TEXTS[comparison.decision](comparison, options, capabilities)
    return found + _left_out(comparison, capabilities)


def _not_enough(comparison: Comparison, options: DriftOptions, _: Collection[str]) -> str:
    if not comparison.missing:
        return "Not enough data: nothing can be tested."
    clips = comparison.windows[0].clips
    return (
        f"Not enough data: the service has answered for {clips} distinct clips with the current models, and "
        f"{options.min_clips} are needed; {comparison.missing} more will do."
    )


def _none(comparison: Comparison, options: DriftOptions, _: Collection[str]) -> str:
    told = (
        f"No drift found: none of {len(comparison.tests)} tests tells {_clips(comparison.windows)} from what the "
        f"models learned from.{_promise(options)}"
    )
    needed = [f"{one.question} takes about {one.clips:,} clips" for one in comparison.needed if one.clips]
    return f"{told} To be found, {'; '.join(needed)}." if needed else told


def _found(comparison: Comparison, options: DriftOptions, capabilities: Collection[str]) -> str:
    drifted = sorted((test for test in comparison.tests if test.drifted), key=lambda test: test.p_adjusted)
    strongest = list({test.name: test for test in reversed(drifted)}.values())[::-1]
    return (
        f"Drift: {len(drifted)} of {len(comparison.tests)} tests tell {_clips(comparison.windows)} from what the "
        f"models learned from: {'; '.join(_change(one, capabilities) for one in strongest)}.{_promise(options)}"
    )


def _change(test: TestResult, capabilities: Collection[str]) -> str:
    return f"{plain_name(test.name, capabilities)} ({test.in_words}{_WHERE[test.window]})"


_WHERE: Final = {
    LATEST: "",
    SINCE_DECISION: ", since the last decision",
    LATEST_PERIOD: ", in the latest period against those before",
}


def _clips(windows: list[Window]) -> str:
    told = f"the latest {windows[0].clips:,} clips"
    more = [f" and the {one.clips:,} since the last decision" for one in windows if one.name == SINCE_DECISION]
    units = windows[0].units
    of = f" (of {units:,} creators or contents, each of which counts as one)" if units < windows[0].clips else ""
    return "".join([told, of, *more])


def _promise(options: DriftOptions) -> str:
    return f" The chance of any false alarm in {options.looks.horizon_days:g} days is {options.alpha:.0%} at most."


_TEXTS: Final[dict[DriftDecision, Callable[[Comparison, DriftOptions, Collection[str]], str]]] = {
    DriftDecision.NOT_ENOUGH_DATA: _not_enough,
    DriftDecision.NO_DRIFT: _none,
    DriftDecision.DRIFT: _found,
}


def _left_out(comparison: Comparison, capabilities: Collection[str]) -> str:
    left = "; likewise ".join(
        f"{plain_name(name, capabilities)}, since {why}" for name, why in comparison.skipped.items()
    )
    return f" Left out: {left}." if left else ""
