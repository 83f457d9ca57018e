"""What the report's first screen says of a model: is it good, is it served, what is wrong, and what would help."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cu_pipeline.evaluation.skill import is_unclear, learned_nothing
from cu_pipeline.reports.figures import words
from cu_pipeline.reports.insight_figures import modality_words

_BASELINES: Final = {
    "majority": "always the commonest answer",
    "tfidf_logistic": "words of the caption",
    "characters_logistic": "spelling of the caption",
    "captions_logistic": "meaning of the caption",
    "captions_multilingual_logistic": "meaning of the caption",
    "metadata_only": "metadata alone",
    "context_only": "creator, time and the like",
    "zero_shot": "an image-text model that learned nothing here",
}
_SAID_ABOVE: Final = "The model (accuracy "
"""How warnings about simple models begin, of which another line of the first screen says the same in fewer words."""

_WORTH: Final = 0.01
"""Gain in accuracy under which more labels are said to help little."""


@dataclass(frozen=True)
class Line:
    """A question about a model, and its answers.

    Attributes:
        question: in a word or two.
        answers: sentences.
        tone: `good`, `bad` or `wait`; "" where it is neither.
    """

    question: str
    answers: list[str]
    tone: str = ""


@dataclass(frozen=True)
class Glance:
    """A capability on the first screen.

    Attributes:
        name: of the capability.
        accuracy: of the model that is shown, on the test clips; None: it is not measured.
        about: the interval of that, and on how many clips.
        verdict: one sentence.
        tone: of it: `good`, `bad` or `wait`.
        lines: what follows.
    """

    name: str
    accuracy: float | None
    about: str
    verdict: str
    tone: str
    lines: list[Line]


def glance(name: str, found: Mapping[str, Any], gate: Mapping[str, Any] | None, insight: Mapping[str, Any]) -> Glance:
    """Sum a model up.

    Args:
        name: of the capability.
        found: its part of the `metrics` dataset; what earlier runs did not measure may be absent.
        gate: its part of the `gate` dataset; None: it was not judged.
        insight: its part of the `insights` dataset; empty: there is none.
    """
    test = found.get("test")
    if test is None:
        verdict, tone = "Nobody knows how good it is: no test clip has a label by people.", "wait"
    else:
        verdict, tone = _verdict(found)
    lines = [_served(found, gate), _simpler(found), _wrong(found), _helps(found, gate, insight)]
    return Glance(
        name,
        None if test is None else test["accuracy"],
        "" if test is None else _about(test),
        verdict,
        tone,
        [line for line in lines if line.answers],
    )


def baseline_words(name: str) -> str:
    """A baseline in plain words.

    >>> baseline_words("metadata_only"), baseline_words("motion_differences_logistic")
    ('metadata alone', 'motion (changes) alone')
    """
    if name in _BASELINES:
        return _BASELINES[name]
    feature, logistic, _ = name.partition("_logistic")
    first, differences, _ = feature.partition("_differences")
    plain = modality_words(first) + (" (changes)" if differences else "")
    return f"{plain} alone" if logistic else words(name)


def points_words(value: float) -> str:
    """A difference of shares in words.

    >>> points_words(0.124), points_words(-0.01), points_words(0.001)
    ('12 points', '-1 point', '0 points')
    """
    rounded = round(100 * value)
    return f"{rounded} point{'' if abs(rounded) == 1 else 's'}"


def _about(test: Mapping[str, Any]) -> str:
    told = f"{test['n']:,} test clip{'' if test['n'] == 1 else 's'}"
    if test.get("units"):
        told += f" in {test['units']:,} independent group{'' if test['units'] == 1 else 's'}"
    interval = test.get("ci95", {}).get("accuracy")
    told += f"; likely {100 * interval[0]:.0f} to {100 * interval[1]:.0f} %" if interval else ""
    if answers := test.get("answers"):
        told += f"; it answers {100 * answers['coverage']:.0f} % of them"
        told += f" and is right on {100 * answers['accuracy_answered']:.0f} % of these" if answers["coverage"] else ""
    return f"of {told}"


def _verdict(found: Mapping[str, Any]) -> tuple[str, str]:
    """The model in one sentence, and its tone."""
    if is_unclear(found):
        return "Too few test clips were labelled to tell whether it has learned anything.", "wait"
    if learned_nothing(found) is not None:
        return "It has learned nothing that tells clips apart.", "bad"
    unbeaten = _unbeaten(found)
    if unbeaten is None:
        return "It has learned something." if "skill" in found else "It was measured.", "wait"
    if not unbeaten:
        return "It is better than every simple model that was tried.", "good"
    if any(_is_better(one) for one in unbeaten.values()):
        return "It has learned something, but something simpler is right more often.", "bad"
    return "It has learned something, but something simpler may be as good.", "wait"


def _served(found: Mapping[str, Any], gate: Mapping[str, Any] | None) -> Line:
    question = "Is it served?"
    if gate is None:
        return Line(question, [])
    if gate.get("forced"):
        return Line(question, ["Yes, by force: the gate would not have promoted it."], "bad")
    if gate["decision"] == "promote":
        return Line(question, ["Yes: this run promoted it."], "good")
    if gate.get("champion") is None:
        return Line(question, ["No: the gate did not promote it, and there is no other model."], "bad")
    if gate.get("champion") == gate.get("challenger"):
        return Line(question, ["Yes, since before: nothing changed in this run."], "good")
    kept = "the model that was trained last was not shown to be better and is kept back"
    if found.get("served") is False:
        return Line(question, [f"No: another model is served, and {kept}."], "wait")
    return Line(question, [f"Yes, since before: {kept}."], "good")


def _unbeaten(found: Mapping[str, Any]) -> dict[str, Any] | None:
    """The baselines over which the model's gain is not shown; None: it was not held against them."""
    baselines = found.get("baselines") or {}
    if not baselines or not all("shown_better" in one for one in baselines.values()):
        return None
    return {name: one for name, one in baselines.items() if not one["shown_better"]}


def _simpler(found: Mapping[str, Any]) -> Line:
    question, baselines = "Better than the obvious?", found.get("baselines") or {}
    if not baselines or "test" not in found:
        return Line(question, [])
    own = found["test"]["accuracy"]
    name, best = max(baselines.items(), key=lambda item: (item[1]["accuracy"], item[1].get("macro_f1", 0)))
    told = f"the best simple model ({baseline_words(name)}) is right on {100 * best['accuracy']:.0f} %"
    unbeaten = _unbeaten(found)
    if unbeaten is None:
        return Line(question, [f"{told[:1].upper()}{told[1:]}, this one on {100 * own:.0f} %."], "wait")
    if not unbeaten:
        return Line(question, [f"Yes, of {len(baselines)} tried: {_beside(told, best)}."], "good")
    name, best = max(unbeaten.items(), key=lambda item: item[1]["accuracy"])
    told = f"{baseline_words(name)} is right on {100 * best['accuracy']:.0f} %"
    others = len(unbeaten) - 1
    rest = f"; of {len(baselines)} tried, {others} more {'is' if others == 1 else 'are'} not beaten either"
    start = "No" if _is_better(best) else "Not shown"
    return Line(question, [f"{start}: {_beside(told, best)}{rest if others else ''}."], "bad")


def _is_ahead(baseline: Mapping[str, Any]) -> bool:
    """Tell whether a baseline is right on more of these clips, by a point or more as numbers are shown."""
    return round(100 * baseline["gain"]["accuracy"]) < 0


def _is_better(baseline: Mapping[str, Any]) -> bool:
    """Tell whether a baseline is shown to be right more often than the model."""
    return bool(baseline["gain"]["ci95"][1] < 0)


def _beside(told: str, baseline: Mapping[str, Any]) -> str:
    """Add what the model gains over a baseline, with the interval."""
    gain, (low, high) = baseline["gain"]["accuracy"], (100 * end for end in baseline["gain"]["ci95"])
    if not gain and low == high:
        return f"{told}, as often as this one in every group of clips"
    if _is_ahead(baseline):
        return f"{told}, {points_words(-gain)} more than this one [{-high:.1f}, {-low:.1f}]"
    less = f"{points_words(gain)} less than" if round(100 * gain) else "as often as"
    return f"{told}, {less} this one [{low:.1f}, {high:.1f}]"


def _wrong(found: Mapping[str, Any]) -> Line:
    """What to beware of: the warnings, or the lowest slice in their place."""
    question = "What is wrong?"
    if "test" not in found:
        return Line(question, [])
    warnings = list(found.get("warnings", []))
    if _unbeaten(found) is not None:
        warnings = [one for one in warnings if not one.startswith(_SAID_ABOVE)]
    nothing = learned_nothing(found)
    if nothing is not None:
        return Line(question, [f"The model is {nothing}."], "bad")
    slices = found.get("slices") or {}
    rows = slices.get("rows", [])
    if rows and not rows[0]["worse"] and round(100 * rows[0]["difference"]) < 0:
        row = rows[0]
        lowest = (
            f"It is weakest where {row['column']} is {row['value']}: {100 * row['accuracy']:.0f} % of {row['n']:,} "
            f"clips, {100 * row['rest']:.0f} % elsewhere{_among(slices)}, which may be chance."
        )
        return Line(question, [*warnings, lowest], "bad" if warnings else "")
    if not warnings and "warnings" in found:
        if _unbeaten(found):
            return Line(question, ["Nothing else was found that speaks against it."])
        return Line(question, ["Nothing was found that speaks against it."], "good")
    return Line(question, warnings, "bad")


def _among(slices: Mapping[str, Any]) -> str:
    """Of which clips slices are, as these are more than the test clips."""
    return f", among all {slices['n']:,} that models predicted unseen" if "n" in slices else ""


def _helps(found: Mapping[str, Any], gate: Mapping[str, Any] | None, insight: Mapping[str, Any]) -> Line:
    return Line("What would help?", list(_help(found, gate or {}, insight)))


def _help(found: Mapping[str, Any], gate: Mapping[str, Any], insight: Mapping[str, Any]) -> Iterator[str]:
    if "test" not in found:
        yield "Labels by people on clips of the test split: kedro labels push."
        return
    ahead = (insight.get("learning_curve") or {}).get("forecast")
    if is_unclear(found):
        yield "Labels by people on more test clips, of other creators."
    elif learned_nothing(found) is not None:
        yield "Labels that are right, or features that show the difference."
    if ahead:
        little = ": little" if ahead["gain"] < _WORTH else ""
        yield f"{ahead['in_words']}{little}."
    power = gate.get("power")
    if power and power.get("more_clips"):
        seen = 100 * power["smallest_gain"]
        now = f"as it is, a gain under {seen:.0f} points goes unseen" if seen < 100 else "as it is, no gain can be seen"
        yield (
            f"{power['more_clips']:,} more labelled test clips would show whether another model is "
            f"{100 * power['wished_gain']:.0f} points better; {now}."
        )
