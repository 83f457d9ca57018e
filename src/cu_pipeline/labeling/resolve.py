import logging
from collections import Counter
from typing import Any

import pandas as pd

from cu_pipeline.core.capability import Capabilities, Capability, Kind, split_label
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.records import AnnotatorKind

_log = logging.getLogger(__name__)


def resolve_capabilities(annotations: pd.DataFrame, capabilities: Capabilities) -> dict[str, Any]:
    """Decide which capabilities the feed can teach, and with which classes.

    Args:
        annotations: opinions from the feed.
        capabilities: as configured.

    Returns:
        `active`: capability -> kind, classes and description; `skipped`: capability -> reason in words.

    Raises:
        ConfigurationError: labels outside the configured classes, or no capability is left.
    """
    people = annotations[(annotations["kind"] == AnnotatorKind.HUMAN) & (annotations["label"] != "")]
    active, skipped, problems = {}, {}, []
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
            active[name] = {
                "kind": capability.kind.value,
                "classes": list(classes),
                "description": capability.description,
            }
    if problems:
        raise ConfigurationError(problems)
    if not active:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in skipped.items())
        raise ConfigurationError(f"the feed has nothing to learn from. {reasons}")
    return {"active": active, "skipped": skipped}


def _unusable(name: str, labels: int, classes: tuple[str, ...], kind: Kind) -> str:
    if not labels:
        return f"no clip has a human label for it; give some in the feed's column label_{name}"
    if kind is Kind.SINGLE and len(classes) < 2:
        return f"all labels are {classes[0]!r}; at least two classes are needed"
    if not classes:
        return "every label is 'none'; at least one class must occur"
    return ""


def _foreign(name: str, foreign: dict[str, int], capability: Capability) -> str:
    found = ", ".join(f"{label!r} ({times} times)" for label, times in sorted(foreign.items()))
    return (
        f"capability {name!r}: the feed has labels that are not among its classes: {found}. Classes: "
        f"{', '.join(capability.classes)}. Correct the feed, or add them to capabilities.{name}.classes "
        "(left empty, the classes are taken from the feed)"
    )
