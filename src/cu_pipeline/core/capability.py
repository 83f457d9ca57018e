from collections import defaultdict
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    Field,
    RootModel,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from cu_pipeline.core.caption_text import clean_name, folded_name
from cu_pipeline.core.decision_goal import DecisionGoal
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.options import Options
from cu_pipeline.core.scope import Scope

NONE = "none"
"""What a person writes in a multi-label column to say: looked at, and nothing applies."""

NOT_APPLICABLE: Final = "not_applicable"
"""What a person writes to say: the capability's question does not apply to the clip. It is never a class."""

ABSTAIN: Final = "abstain"
"""What a model says that gives no answer, where a capability's `decision` lets it. It is never a class there."""

SEPARATOR = "|"
"""Stands between the classes of a multi-label value."""

LONGEST_NAME: Final = 100
"""Characters that the name of a class may have."""


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
        scope: the clips that it applies to; outside it nobody labels, learns, measures or answers.
        decision: which answers its model gives.
    """

    kind: Kind = Kind.SINGLE
    classes: tuple[str, ...] = ()
    description: str = ""
    class_descriptions: dict[str, str] = Field(default_factory=dict)
    scope: Scope = Scope()
    decision: DecisionGoal = DecisionGoal()

    @model_serializer(mode="wrap")
    def _without_what_is_not_set(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write a capability without scope or decision as before there were any: files and hashes stay the same."""
        written: dict[str, Any] = write(self)
        if not self.scope.is_limited:
            written.pop("scope", None)
        if not self.decision.is_set:
            written.pop("decision", None)
        return written

    def answers_among(self, other: "Capability") -> bool:
        """Whether each answer that it gives is one of another's: that has its classes, in any order, or more."""
        return self.kind is other.kind and set(self.classes) <= set(other.classes)

    @field_validator("classes")
    @classmethod
    def _usable(cls, classes: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        multi = info.data.get("kind") is Kind.MULTI
        for name in classes:
            if not name.strip() or (multi and (SEPARATOR in name or name == NONE)):
                rule = f"a class is not empty, and where several may hold, is not {NONE!r} and has no {SEPARATOR!r}"
                raise ValueError(f"class {name!r} cannot be used: {rule}")
        if len(set(classes)) != len(classes):
            raise ValueError(f"classes {list(classes)} repeat a name: give each class once")
        return classes

    @model_validator(mode="after")
    def _abstains_in_words_of_its_own(self) -> Self:
        if self.kind is Kind.MULTI and self.decision.abstain_below:
            raise ValueError(
                "decision.abstain_below is for `kind: single`: of several classes each holds or not. Give "
                "decision.target, and no class is named that does not reach it"
            )
        if self.kind is Kind.MULTI and self.decision.set_coverage is not None:
            raise ValueError(
                "decision.set_coverage is for `kind: single`: of several classes any number may hold as it is. Give "
                "decision.target recall, and each class is named of so many of its clips"
            )
        if self.kind is Kind.SINGLE and self.decision.may_abstain and ABSTAIN in map(folded_name, self.classes):
            raise ValueError(
                f"class {ABSTAIN!r} cannot be used with `decision`, which says so for no answer: rename it"
            )
        return self

    @model_validator(mode="after")
    def _describes_its_classes(self) -> Self:
        known = set(map(clean_name, self.classes))
        unknown = sorted(one for one in self.class_descriptions if clean_name(one) not in known)
        if self.classes and unknown:
            raise ValueError(
                f"class_descriptions name {', '.join(map(repr, unknown))}; classes are {', '.join(self.classes)}. "
                "Describe these, or add the class"
            )
        return self


class Capabilities(RootModel[dict[str, Capability]]):
    """All capabilities of a project by name, in order; the first owns the manifest's `label` column.

    Names of classes are cleaned as the feed's are, so that both are spelt alike. What is refused here and not in a
    `Capability` may still stand in files of earlier versions.
    """

    root: dict[str, Capability] = Field(min_length=1)

    @field_validator("root")
    @classmethod
    def _spelt_alike(cls, root: dict[str, Capability]) -> dict[str, Capability]:
        return {name: _cleaned(name, capability) for name, capability in root.items()}


def _cleaned(name: str, capability: Capability) -> Capability:
    """Clean the names of a capability's classes, and refuse those that tools or people would mistake."""
    classes = tuple(clean_name(one) for one in capability.classes)
    for one in classes:
        if problem := name_problem(one, capability.kind):
            raise ValueError(f"capability {name!r}: {problem}")
    if len(set(classes)) != len(classes):
        raise ValueError(f"capability {name!r}: classes {list(classes)} repeat a name: give each class once")
    for spellings in same_names(classes):
        shown = " and ".join(map(repr, spellings))
        raise ValueError(f"capability {name!r}: classes {shown} differ only in case or form: keep one, or rename one")
    described = {clean_name(one): words for one, words in capability.class_descriptions.items()}
    return capability.model_copy(update={"classes": classes, "class_descriptions": described})


def name_problem(name: str, kind: Kind) -> str:
    """Say why a cleaned name cannot be that of a class, and what to do; "" where it can."""
    if not name:
        return "a class has no visible name: give it one"
    if len(name) > LONGEST_NAME:
        shown = f"{name[:40]}…"
        return f"class {shown!r} has {len(name)} characters, and {LONGEST_NAME} are allowed: give it a shorter name"
    if kind is Kind.MULTI and SEPARATOR in name:
        return f"class {name!r} has {SEPARATOR!r}, which stands between classes: replace it in the name"
    if folded_name(name) == NOT_APPLICABLE:
        return f"class {name!r} cannot be used, since {NOT_APPLICABLE!r} says that no answer does: rename it"
    if kind is Kind.MULTI and folded_name(name) == NONE:
        return f"class {name!r} cannot be used, since {NONE!r} says that no class applies: rename it"
    return ""


def same_names(names: Iterable[str]) -> list[list[str]]:
    """Find the names that differ only in case or form, sorted.

    >>> same_names(["Food", "pets", "food"])
    [['Food', 'food']]
    """
    spellings: Mapping[str, set[str]] = defaultdict(set)
    for name in names:
        spellings[folded_name(name)].add(name)
    return [sorted(group) for _, group in sorted(spellings.items()) if len(group) > 1]


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


def unknown_classes(labels: Iterable[str], capability: Capability) -> tuple[str, ...]:
    """The classes, sorted, that labels name and the capability has not.

    >>> unknown_classes(["b|c", "none"], Capability(kind=Kind.MULTI, classes=("a", "b")))
    ('c',)
    """
    named = {name for label in set(labels) for name in split_label(label, capability.kind)}
    return tuple(sorted(named - {ABSTAIN, *capability.classes}))


def indicators(labels: Iterable[str], capability: Capability) -> NDArray[np.bool_]:
    """Tell which classes each of n labels names: bool (n, classes); `abstain` names none.

    Raises:
        ConfigurationError: a label names a class that the capability has not.

    >>> indicators(["b", "none"], Capability(kind=Kind.MULTI, classes=("a", "b"))).tolist()
    [[False, True], [False, False]]
    """
    place = {name: index for index, name in enumerate(capability.classes)}
    distinct: dict[str, int] = {}
    rows = [distinct.setdefault(label, len(distinct)) for label in labels]
    found = np.zeros((len(distinct), len(place)), dtype=np.bool_)
    if unknown := unknown_classes(distinct, capability):
        raise ConfigurationError(
            f"labels name {', '.join(map(repr, unknown))}; classes are {', '.join(capability.classes)}. Add the class "
            "to the capability and train again, or take these labels back"
        )
    for label, row in distinct.items():
        names = split_label(label, capability.kind)
        found[row, [place[name] for name in names if name in place]] = True
    return found[np.array(rows, dtype=np.int64)]
