"""Whether the classes that a feed's labels name are those that were meant."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from cu_pipeline.core.capability import (
    NOT_APPLICABLE,
    SEPARATOR,
    Capabilities,
    Capability,
    Kind,
    join_label,
    same_names,
    split_label,
)
from cu_pipeline.core.caption_text import folded_name
from cu_pipeline.core.errors import ConfigurationError

_SHOWN: Final = 8
_log = logging.getLogger(__name__)


Labels = Mapping[str, Mapping[str, int]]
"""Capability -> label -> how often people gave it."""


def settle_classes(labels: Labels, capabilities: Capabilities) -> dict[str, dict[str, str]]:
    """Find the configured class's name for each label that differs from it only in case or form; check the others.

    Args:
        labels: that people gave.
        capabilities: as configured.

    Returns:
        Capability -> label -> the label in its place, where there is one; they are told of.

    Raises:
        ConfigurationError: labels outside the configured classes; or, where none are configured, classes that differ
            only in case or form.
    """
    settled: dict[str, dict[str, str]] = {}
    problems: list[str] = []
    for name, capability in capabilities.root.items():
        mine = _without_inapplicable(labels.get(name, {}))
        used = _used(mine, capability.kind)
        if meant := _meant(used, capability.classes):
            _log.warning("capability %s: %s", name, _replaced_in_words(used, meant))
            settled[name] = {label: _renamed(label, meant, capability.kind) for label in mine}
            renamed: Counter[str] = Counter()
            for label, times in mine.items():
                renamed[settled[name][label]] += times
            used = _used(renamed, capability.kind)
        problems += _problems(name, capability, used)
    if problems:
        raise ConfigurationError(problems)
    return settled


def used_classes(labels: Labels, capabilities: Capabilities) -> dict[str, frozenset[str]]:
    """The classes that labels name, by capability."""
    return {
        name: frozenset(_used(_without_inapplicable(labels.get(name, {})), capability.kind))
        for name, capability in capabilities.root.items()
    }


def _without_inapplicable(labels: Mapping[str, int]) -> dict[str, int]:
    return {label: times for label, times in labels.items() if label != NOT_APPLICABLE}


def foreign_in_words(name: str, foreign: Mapping[str, int], capability: Capability) -> str:
    """Say which labels are no classes of a capability and what to do.

    Args:
        name: of the capability.
        foreign: label -> how often it is given.
        capability: with its classes.
    """
    found = ", ".join(f"{label!r} ({times} times)" for label, times in sorted(foreign.items()))
    return (
        f"capability {name!r}: the feed has labels that are not among its classes: {found}. Classes: "
        f"{', '.join(capability.classes)}. Correct the feed, or add them to capabilities.{name}.classes "
        "(left empty, the classes are taken from the feed)"
    )


def _used(labels: Mapping[str, int], kind: Kind) -> Counter[str]:
    used: Counter[str] = Counter()
    for label, times in Counter(labels).most_common():
        used.update(dict.fromkeys(split_label(label, kind), times))
    return used


def _meant(used: Mapping[str, int], classes: tuple[str, ...]) -> dict[str, str]:
    """Find the configured classes that labels spell otherwise."""
    configured = {folded_name(one): one for one in classes}
    return {one: configured[folded_name(one)] for one in used if one not in classes and folded_name(one) in configured}


def _renamed(label: str, meant: Mapping[str, str], kind: Kind) -> str:
    return join_label(list(dict.fromkeys(meant.get(one, one) for one in split_label(label, kind))), kind)


def _problems(name: str, capability: Capability, used: Counter[str]) -> Iterator[str]:
    if capability.classes:
        if foreign := {one: times for one, times in used.items() if one not in capability.classes}:
            yield foreign_in_words(name, foreign, capability)
        return
    for spellings in same_names(used):
        shown = " and ".join(f"{one!r} ({used[one]} times)" for one in spellings)
        yield (
            f"capability {name!r}: the feed has classes that differ only in case or form: {shown}. Correct the feed; "
            f"or name the right one in capabilities.{name}.classes, with all others, and it is taken for both"
        )
    barred = [one for one in used if capability.kind is Kind.SINGLE and SEPARATOR in one]
    if barred:
        shown = ", ".join(map(repr, sorted(barred)[:_SHOWN]))
        _log.warning(
            "capability %s: %d classes have %r in their name, and each is taken as one class (%s). Remedy, if several "
            "classes may hold at once: `kind: multi` in capabilities.%s",
            name, len(barred), SEPARATOR, shown, name,
        )  # fmt: skip


def _replaced_in_words(used: Mapping[str, int], meant: Mapping[str, str]) -> str:
    shown = ", ".join(f"{one!r} ({used[one]} times) for {meant[one]!r}" for one in sorted(meant)[:_SHOWN])
    return f"labels that differ from a class only in case or form are taken for it: {shown}"
