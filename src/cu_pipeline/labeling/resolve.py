import logging
from collections import Counter
from collections.abc import Mapping

import pandas as pd

from cu_pipeline.core.capability import NONE, Capabilities, Capability, Kind, split_label
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.labeling.copies import by_people

_log = logging.getLogger(__name__)


def resolve_capabilities(annotations: pd.DataFrame, capabilities: Capabilities) -> ResolvedCapabilities:
    """Decide which capabilities are labelled, with which classes, and which of them can be learned.

    A capability with configured classes needs no person's label to begin with: machines label it and people are asked
    about it. It is trained only when people have labelled it, since nothing else can tell how good a model is.

    Args:
        annotations: opinions from the feed.
        capabilities: as configured.

    Raises:
        ConfigurationError: labels outside the configured classes, or no capability is left.
    """
    people = by_people(annotations)
    active, waiting, skipped, problems = {}, {}, {}, []
    for name, capability in capabilities.root.items():
        labels = people.loc[people["capability"] == name, "label"]
        used = Counter(one for label in labels for one in split_label(label, capability.kind))
        classes = capability.classes or tuple(sorted(used))
        if foreign := {one: times for one, times in used.items() if one not in classes}:
            problems.append(_foreign(name, foreign, capability))
        elif reason := _unusable(name, len(labels), classes, capability.kind):
            skipped[name] = reason
            _log.warning("capability %s is skipped: %s", name, reason)
        else:
            described = _described(name, classes, capability.class_descriptions)
            active[name] = capability.model_copy(update={"classes": classes, "class_descriptions": described})
            if reason := _unlearnable(len(labels), used, capability.kind):
                waiting[name] = reason
                _log.warning("capability %s is labelled but not trained: %s", name, reason)
    if problems:
        raise ConfigurationError(problems)
    if not active:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in skipped.items())
        raise ConfigurationError(f"the feed has nothing to learn from. {reasons}")
    return ResolvedCapabilities(active, waiting, skipped)


def _described(name: str, classes: tuple[str, ...], descriptions: Mapping[str, str]) -> dict[str, str]:
    """Keep the descriptions of the classes that there are, and warn of others."""
    if unknown := sorted(set(descriptions) - set(classes)):
        _log.warning(
            "capability %s: class_descriptions name %s, which no label has; classes are %s",
            name, ", ".join(map(repr, unknown)), ", ".join(classes),
        )  # fmt: skip
    return {one: descriptions[one] for one in classes if one in descriptions}


def _unusable(name: str, labels: int, classes: tuple[str, ...], kind: Kind) -> str:
    """Say why neither machines nor people can be asked about a capability; "" where they can."""
    remedy = f"Name the classes in capabilities.{name}.classes, and machines and people are asked about them"
    if not classes and not labels:
        return f"no person has labelled it and its classes are not known. {remedy}; or give labels in label_{name}"
    if not classes:
        return f"every label is {NONE!r}; at least one class must occur. {remedy}"
    if kind is Kind.SINGLE and len(classes) < 2:
        return f"its only class is {classes[0]!r}; at least two are needed. {remedy}"
    return ""


def _unlearnable(labels: int, used: Mapping[str, int], kind: Kind) -> str:
    """Say why people's labels cannot teach a model yet; "" where they can."""
    if not labels:
        return "no person has labelled it yet"
    if kind is Kind.SINGLE and len(used) < 2:
        return f"people have named no class but {next(iter(used))!r} yet"
    return "" if used else f"people have said nothing but {NONE!r} yet"


def _foreign(name: str, foreign: dict[str, int], capability: Capability) -> str:
    found = ", ".join(f"{label!r} ({times} times)" for label, times in sorted(foreign.items()))
    return (
        f"capability {name!r}: the feed has labels that are not among its classes: {found}. Classes: "
        f"{', '.join(capability.classes)}. Correct the feed, or add them to capabilities.{name}.classes "
        "(left empty, the classes are taken from the feed)"
    )
