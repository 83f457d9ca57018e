"""What a reader of a model's numbers has to be told first, in words that follow from these numbers alone."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from cu_pipeline.evaluation.baselines import MAJORITY, SHORTCUTS
from cu_pipeline.evaluation.skill import learned_nothing
from cu_pipeline.evaluation.slices import worst_slice

_CLOSE: Final = 0.05
"""A shortcut that knows something, and is worse than the model by less than that, is about as good."""

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
    for name in measured.get("unknown", ()):
        clips = measured["per_class"][name]["support"]
        yield (
            f"The model does not know the class {name!r}, which labels name: it is wrong on all {clips} test clips of "
            "it. Train it again: kedro run."
        )
    if (nothing := learned_nothing(measured)) is not None:
        yield f"The model is {nothing}."
    baselines = {name: one for name, one in measured.get("baselines", {}).items() if "gain" in one}
    accuracy = f"{measured['test']['accuracy']:.3f}"
    usual = baselines.get(MAJORITY)
    if nothing is None and usual is not None and not usual["shown_better"]:
        yield (
            "The model's probabilities tell clips apart, but its answers are not shown to be right more often than "
            f"always the commonest one: accuracy {accuracy} beside {usual['accuracy']:.3f} ({_gain(usual)})."
        )
    for name, words in SHORTCUTS.items():
        one = baselines.get(name)
        if one is not None and one["beats_majority"] and one["gain"]["accuracy"] < _CLOSE:
            yield (
                f"{words[0].upper()}{words[1:]} alone do about as well as the model: accuracy {one['accuracy']:.3f} "
                f"beside {accuracy} ({_gain(one)}). What the model recognises may be that."
            )
    others = {name: one for name, one in baselines.items() if name != MAJORITY and not one["shown_better"]}
    worse = {name for name, one in others.items() if one["gain"]["ci95"][1] < 0}
    for verdict, wanted in (("worse than", True), ("not shown to be better than", False)):
        if chosen := {name: one for name, one in others.items() if (name in worse) == wanted}:
            yield f"The model (accuracy {accuracy}) is {verdict} {_names(chosen)}."
    if (worst := worst_slice(measured["slices"]) if "slices" in measured else None) is not None:
        yield f"The model is {worst}."


def _names(baselines: Mapping[str, Mapping[str, Any]]) -> str:
    """Name the baselines, those over which the model gains least first."""
    order = sorted(baselines.items(), key=lambda item: item[1]["gain"]["accuracy"])
    named = [f"{name.replace('_', ' ')} (accuracy {one['accuracy']:.3f}, {_gain(one)})" for name, one in order[:_NAMED]]
    rest = f" and {len(order) - _NAMED} more" if len(order) > _NAMED else ""
    return ", ".join(named) + rest


def _gain(baseline: Mapping[str, Any]) -> str:
    gain, (low, high) = baseline["gain"]["accuracy"], baseline["gain"]["ci95"]
    if not gain and low == high:
        return "as often in every unit"
    return f"the model gains {gain:+.3f} [{low:+.3f}, {high:+.3f}]"
