from collections.abc import Iterable
from enum import StrEnum
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, RootModel, field_validator, model_validator

from cu_pipeline.core.options import Options

NONE = "none"
"""What a person writes in a multi-label column to say: looked at, and nothing applies."""

SEPARATOR = "|"
"""Stands between the classes of a multi-label value."""


class Kind(StrEnum):
    """How many classes of a capability may hold at once."""

    SINGLE = "single"
    MULTI = "multi"


class Capability(Options):
    """One thing to recognise in a clip.

    Attributes:
        kind: `single`: exactly one class holds; `multi`: any number of them, or none.
        classes: the class names in the order of every probability vector. Empty: taken from the data.
        description: what the capability means, in words for people and for prompts.
        class_descriptions: class -> what belongs to it, likewise.
    """

    kind: Kind = Kind.SINGLE
    classes: tuple[str, ...] = ()
    description: str = ""
    class_descriptions: dict[str, str] = Field(default_factory=dict)

    @field_validator("classes")
    @classmethod
    def _usable(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        for name in classes:
            if not name.strip() or SEPARATOR in name or name == NONE:
                rule = f"a class is not empty, is not {NONE!r} and has no {SEPARATOR!r}"
                raise ValueError(f"class {name!r} cannot be used: {rule}")
        if len(set(classes)) != len(classes):
            raise ValueError(f"classes {list(classes)} repeat a name: give each class once")
        return classes

    @model_validator(mode="after")
    def _describes_its_classes(self) -> Self:
        unknown = sorted(set(self.class_descriptions) - set(self.classes))
        if self.classes and unknown:
            raise ValueError(
                f"class_descriptions name {', '.join(map(repr, unknown))}; classes are {', '.join(self.classes)}. "
                "Describe these, or add the class"
            )
        return self


class Capabilities(RootModel[dict[str, Capability]]):
    """All capabilities of a project by name, in order; the first owns the manifest's `label` column."""

    root: dict[str, Capability] = Field(min_length=1)


def split_label(value: str, kind: Kind) -> tuple[str, ...]:
    """Split a label into the classes that it names.

    >>> split_label("advert|violence", Kind.MULTI)
    ('advert', 'violence')
    >>> split_label("none", Kind.MULTI)
    ()
    >>> split_label("A|B", Kind.SINGLE)
    ('A|B',)
    """
    if kind is Kind.SINGLE:
        return (value.strip(),)
    parts = (part.strip() for part in value.split(SEPARATOR))
    return tuple(sorted({part for part in parts if part and part != NONE}))


def join_label(classes: tuple[str, ...] | list[str], kind: Kind) -> str:
    """Join `classes` to the label that names them: the inverse of `split_label`.

    >>> join_label((), Kind.MULTI)
    'none'
    """
    if kind is Kind.SINGLE:
        (only,) = classes
        return only
    return SEPARATOR.join(sorted(set(classes))) or NONE


def indicators(labels: Iterable[str], capability: Capability) -> NDArray[np.bool_]:
    """Tell which classes each of n labels names: bool (n, classes).

    >>> indicators(["b", "none"], Capability(kind=Kind.MULTI, classes=("a", "b"))).tolist()
    [[False, True], [False, False]]
    """
    place = {name: index for index, name in enumerate(capability.classes)}
    named = [[place[name] for name in split_label(label, capability.kind)] for label in labels]
    found = np.zeros((len(named), len(place)), dtype=np.bool_)
    for row, places in enumerate(named):
        found[row, places] = True
    return found
