"""What a reader of a model's numbers has to be told first, in words that follow from these numbers alone."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from cu_pipeline.evaluation.baselines import MAJORITY, SHORTCUTS
from cu_pipeline.evaluation.skill import learned_nothing
from cu_pipeline.evaluation.slices import worst_slice

_CLOSE: Final = 0.05
"""A shortcut that is worse than the model by less than that is about as good."""

_NAMED: Final = 3
"""Baselines that are named, at most."""


def cautions(measured: Mapping[str, Any]) -> list[str]:
    """Say what speaks against a model: it is no better than the majority, or than a shortcut or something simple.

    A baseline over which a model gains nothing in truth is named in 97.5 % of cases at least: its gain has to be shown.

    Args:
        measured: a capability's part of the `metrics` dataset.

    Returns:
        Sentences; none where there is nothing to say, or nothing was measured.
    """
    return list(_told(measured)) if "test" in measured else []


def _told(measured: Mapping[str, Any]) -> Iterator[str]:
    if (nothing := learned_nothing(measured)) is not None:
        yield f"The model is {nothing}."
    baselines = {name: one for name, one in measured.get("baselines", {}).items() if "gain" in one}
    accuracy = measured["test"]["accuracy"]
    usual = baselines.get(MAJORITY, {}).get("accuracy", 0.0)
    for name, words in SHORTCUTS.items():
        if name in baselines and baselines[name]["accuracy"] > usual and baselines[name]["gain"]["accuracy"] < _CLOSE:
            yield (
                f"{words} alone does about as well as the model: accuracy {baselines[name]['accuracy']:.3f} beside "
                f"{accuracy:.3f} ({_gain(baselines[name])}). What the model recognises may be that."
            )
    unbeaten = {name: one for name, one in baselines.items() if name != MAJORITY and not one["shown_better"]}
    if unbeaten:
        order = sorted(unbeaten, key=lambda name: unbeaten[name]["gain"]["accuracy"])
        named = ", ".join(
            f"{name.replace('_', ' ')} (accuracy {unbeaten[name]['accuracy']:.3f}, {_gain(unbeaten[name])})"
            for name in order[:_NAMED]
        )
        rest = f" and {len(order) - _NAMED} more" if len(order) > _NAMED else ""
        yield f"The model (accuracy {accuracy:.3f}) is not shown to be better than {named}{rest}."
    if (worst := worst_slice(measured["slices"]) if "slices" in measured else None) is not None:
        yield f"The model is {worst}."


def _gain(baseline: Mapping[str, Any]) -> str:
    low, high = baseline["gain"]["ci95"]
    return f"the model gains {baseline['gain']['accuracy']:+.3f} [{low:+.3f}, {high:+.3f}]"
