"""Where better parameters of a model family are looked for."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, Self, TypeAlias, get_args, get_origin

from pydantic import Field, ValidationError, model_validator

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.options import Options

Scalar: TypeAlias = str | int | float | bool | None
Point: TypeAlias = dict[str, Scalar]
"""A place in a space: a scalar for each parameter that is searched."""

_DIGITS: Final = 4
"""Significant ones of the numbers that are tried, so that people can read and write them."""


class Dimension(Options):
    """The values of one parameter that are tried: all between two numbers, or those of a list.

    Attributes:
        low: the least number.
        high: the greatest.
        log: whether numbers are spread evenly over their logarithms.
        multiples: of a parameter that is a list: its items are the number times each of these; (): the number alone.
        choices: the values, at least two.
    """

    low: int | float | None = None
    high: int | float | None = None
    log: bool = False
    multiples: tuple[float, ...] = ()
    choices: tuple[Any, ...] = Field(())

    @model_validator(mode="after")
    def _has_values(self) -> Self:
        if self.choices:
            if self.low is not None or self.high is not None or self.log or self.multiples:
                raise ValueError("`choices` go without `low`, `high`, `log` and `multiples`")
            if len({as_text(one) for one in self.choices}) < max(len(self.choices), 2):
                raise ValueError(f"choices={list(self.choices)} leave no choice: give two or more, all different")
            return self
        if self.low is None or self.high is None:
            raise ValueError("give `low` and `high`, or `choices`")
        if not self.low < self.high:
            raise ValueError(f"the range is empty: low={self.low} is not below high={self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"low={self.low} has no logarithm: give a number above 0, or leave `log` out")
        return self

    def contains(self, number: Any) -> bool:
        """Whether a number lies in the range."""
        return self.low is not None and self.high is not None and self.low <= number <= self.high

    @property
    def scalars(self) -> list[Scalar]:
        """The choices, those that are no scalars as JSON."""
        return [one if isinstance(one, Scalar) else as_text(one) for one in self.choices]


@dataclass(frozen=True)
class Searched:
    """Says of an option where tuning looks for a better value: `rate: Annotated[float, Searched(Dimension(…))]`."""

    dimension: Dimension


@dataclass(frozen=True)
class SearchSpace:
    """The parameters of a family that are searched, each within its dimension; the others stay as they are.

    Attributes:
        family: its name.
        present: its parameters now.
        dimensions: parameter -> what is tried.
    """

    family: str
    present: Options
    dimensions: Mapping[str, Dimension]

    @classmethod
    def of(cls, family: str, present: Options, given: Mapping[str, Dimension]) -> Self:
        """Take the dimensions that are given, else those that the family's options declare.

        Raises:
            ConfigurationError: lists parameters that there are not, and values that the family does not allow.
        """
        space = cls(family, present, dict(given) or declared(type(present)))
        if not space.dimensions:
            raise ConfigurationError(
                f"model family {family!r} declares no parameters to search: name another in tune.family, or say in "
                "tune.space what to search"
            )
        if problems := [problem for name in space.dimensions for problem in space._problems(name)]:
            raise ConfigurationError(problems)
        return space

    def point(self, raw: Mapping[str, Any]) -> Point:
        """Round the numbers that a sampler proposes."""
        return {name: _rounded(raw[name], one) for name, one in self.dimensions.items()}

    def settings(self, point: Point) -> dict[str, Any]:
        """The values of the parameters at a point, as parameters files have them."""
        return {name: self._setting(name, value) for name, value in point.items()}

    def options(self, point: Point) -> Options:
        """The family's parameters at a point."""
        return self.present.model_validate(self.present.model_dump() | self.settings(point))

    def place_of(self, options: Options) -> Point | None:
        """Find the point of parameters; None where it lies outside, or between what is tried."""
        wanted = {name: getattr(options, name) for name in self.dimensions}
        try:
            point = {name: self._coordinate(name, value) for name, value in wanted.items()}
        except LookupError:
            return None
        return point if as_text(self.settings(point)) == as_text(wanted) else None

    @property
    def anchor(self) -> Options:
        """Parameters that follow from the space and from what is not searched alone."""
        first = {name: one.scalars[0] if one.choices else one.low for name, one in self.dimensions.items()}
        return self.options(first)

    def is_integer(self, name: str) -> bool:
        """Whether a parameter is a whole number."""
        annotation = self._annotation(name)
        return annotation is int or (int in get_args(annotation) and float not in get_args(annotation))

    def _annotation(self, name: str) -> Any:
        return type(self.present).model_fields[name].annotation

    def _is_list(self, name: str) -> bool:
        return get_origin(self._annotation(name)) in (list, tuple)

    def _setting(self, name: str, value: Scalar) -> Any:
        dimension = self.dimensions[name]
        if dimension.choices:
            return dimension.choices[dimension.scalars.index(value)]
        if self._is_list(name) and isinstance(value, int | float):
            return [_significant(value * one) for one in dimension.multiples or (1.0,)]
        return value

    def _coordinate(self, name: str, value: Any) -> Scalar:
        """The scalar that stands for a value; a LookupError where it lies outside."""
        dimension = self.dimensions[name]
        if dimension.choices:
            return dict(zip(map(as_text, dimension.choices), dimension.scalars, strict=True))[as_text(value)]
        number = value[0] / (dimension.multiples or (1.0,))[0] if self._is_list(name) else value
        if not dimension.contains(number):
            raise LookupError(name)
        return _rounded(number, dimension)

    def _problems(self, name: str) -> Iterator[str]:
        allowed, dimension = sorted(type(self.present).model_fields), self.dimensions[name]
        if name not in allowed:
            near = get_close_matches(name, allowed, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            yield f"tune.space.{name}: train.{self.family} has no such parameter: {hint}Allowed: {', '.join(allowed)}"
            return
        if dimension.multiples and not self._is_list(name):
            yield f"tune.space.{name}: train.{self.family}.{name} is no list: leave `multiples` out"
            return
        for value in dimension.scalars if dimension.choices else (dimension.low, dimension.high):
            try:
                self.options({name: value})
            except ValidationError as error:
                said = error.errors()[0]["msg"].removeprefix("Value error, ")
                yield f"tune.space.{name}: train.{self.family}.{name} cannot be {value}: {said[:1].lower()}{said[1:]}"


def declared(model: type[Options]) -> dict[str, Dimension]:
    """The dimensions that a family's options declare: `Searched`."""
    marks = {
        name: [one for one in field.metadata if isinstance(one, Searched)] for name, field in model.model_fields.items()
    }
    return {name: found[0].dimension for name, found in marks.items() if found}


def as_text(value: Any) -> str:
    """Write a value such that equal ones are equal texts: 1 is 1.0, and a tuple is a list.

    >>> as_text((1.0, 2)) == as_text([1, 2])
    True
    """
    return json.dumps(_plain(value), sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _significant(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _rounded(value: Any, dimension: Dimension) -> Any:
    if dimension.choices or not isinstance(value, float) or dimension.low is None or dimension.high is None:
        return value
    return min(max(_significant(value), dimension.low), dimension.high)
