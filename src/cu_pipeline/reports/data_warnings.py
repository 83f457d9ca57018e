from collections.abc import Iterator, Mapping
from math import sqrt
from typing import Any, Final

RELIABLE_ALPHA: Final = 0.667
"""Krippendorff's alpha below which he advises against conclusions (Content Analysis, 2004, section 11.4.2)."""

_REFUSED = 0.05
_LARGE_PART = 0.2
_HALF_WIDTH = 0.1


def data_warnings(card: Mapping[str, Any]) -> list[str]:
    """Say in plain words what to beware of in the data, with numbers; nothing where all is well.

    Args:
        card: the data card without its warnings.
    """
    checks = (_leaks, _shortcuts, _small_test, _rare_classes, _disagreement, _refused, _one_creator, _many_copies)
    return [warning for check in checks for warning in check(card)]


def _leaks(card: Mapping[str, Any]) -> Iterator[str]:
    for kind, shared in card["leakage"].items():
        if shared and kind == "captions":
            yield (
                f"{shared} captions are in more than one split, so clips that share them are easier in the test. "
                "Captions tie clips only where units stay small: see leakage.json and collect.split.largest_unit"
            )
        elif shared and kind != "common_captions":
            what = kind.replace("_", " ")
            yield f"{shared} {what} are in more than one split, so test results are too good. See leakage.json"


def _shortcuts(card: Mapping[str, Any]) -> Iterator[str]:
    for name, found in card["shortcuts"].items():
        if found and found["p_value"] < 0.01:
            facts = ", ".join(fact.replace("_", " ") for fact in list(found["telling"])[:3])
            yield (
                f"{name}: metadata alone ({facts}) tell {found['accuracy']:.0%} of {found['n']} labels, always naming "
                f"the commonest label {found['majority']:.0%}. A model may learn how clips were made and not what they "
                "show: compare with the baseline metadata_only, and collect clips where these facts do not go with the "
                "label"
            )


def _small_test(card: Mapping[str, Any]) -> Iterator[str]:
    for name, labelled in card["labelled"].items():
        n = labelled["test"]
        half = 1.96 * sqrt(0.25 / n) if n else 1.0
        if half > _HALF_WIDTH:
            yield (
                f"{name}: {n} labels in the test split, so an accuracy is known to about ±{min(half, 1):.0%} only. "
                "Differences below that say nothing: label more test clips"
            )


def _rare_classes(card: Mapping[str, Any]) -> Iterator[str]:
    for name in card["classes"]:
        rare = [one for one in card["rare_classes"] if one["capability"] == name]
        if rare:
            shown = ", ".join(
                f"{one['class']} ({one['train']}, {one['validation']}, {one['test']})" for one in rare[:8]
            )
            more = f" and {len(rare) - 8} more" if len(rare) > 8 else ""
            yield (
                f"{name}: fewer than {card['least']} labels in a split of {shown}{more}; the numbers are of train, "
                "validation and test. Too few to learn or to measure: label more of them, or merge classes"
            )


def _disagreement(card: Mapping[str, Any]) -> Iterator[str]:
    for question, found in card["agreement"].items():
        if found["alpha"] is not None and found["alpha"] < RELIABLE_ALPHA:
            yield (
                f"{question}: people agree with Krippendorff's alpha {found['alpha']:.2f} only; below {RELIABLE_ALPHA} "
                "labels are not reliable. Sharpen the description of the classes, or ask more people a clip"
            )


def _refused(card: Mapping[str, Any]) -> Iterator[str]:
    refused = sum(n for _, n in card["rejects"])
    rows = refused + card["clips"]["n"]
    if refused > _REFUSED * rows:
        reasons = ", ".join(f"{reason} {n}" for reason, n in card["rejects"][:3])
        yield f"{refused} of {rows} rows were refused ({reasons}): see rejects.csv"


def _one_creator(card: Mapping[str, Any]) -> Iterator[str]:
    for creator, n in card["creators"][:1]:
        if n > _LARGE_PART * card["clips"]["n"] and card["clips"]["creators"] > 1:
            yield f"{n} of {card['clips']['n']} clips are by one creator, {creator}; they are all in one split"


def _many_copies(card: Mapping[str, Any]) -> Iterator[str]:
    largest = card["duplicates"]["largest"]
    if largest > _LARGE_PART * card["clips"]["n"]:
        yield f"{largest} of {card['clips']['n']} clips are copies of one another; they are all in one split"
