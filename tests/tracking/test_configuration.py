from typing import Literal

import pytest
from pydantic import Field, field_validator

from cu_pipeline.core.options import Options
from cu_pipeline.labeling.options import LabelOptions
from cu_pipeline.tracking.configuration import model_problems, unknown_keys, with_models
from cu_pipeline.tracking.given_texts import with_texts
from cu_pipeline.tracking.parameter_trees import lay_over, nested


class Inner(Options):
    size: int = Field(224, ge=16)
    mode: Literal["fast", "exact"] = "fast"


class Outer(Options):
    name: str
    inner: Inner = Inner()
    parts: dict[str, Inner] = Field(default_factory=dict)

    @field_validator("name")
    @classmethod
    def _short(cls, value: str) -> str:
        if len(value) > 5:
            raise ValueError("At most 5 letters: choose a shorter name")
        return value


def problems(**value: object) -> list[str]:
    return list(model_problems({"outer": value}, {"outer": Outer}))


def test_good_parameters_have_no_problems() -> None:
    assert problems(name="clip", inner={"size": 32}, parts={"a": {"mode": "exact"}}) == []


def test_misspelt_keys_are_named_with_the_nearest_and_all_allowed_ones() -> None:
    assert problems(name="clip", iner={}, inner={"siez": 1}, parts={"a": {"mod": 1}}) == [
        "parameter 'outer.inner.siez' is unknown: did you mean 'size'? Allowed: mode, size",
        "parameter 'outer.parts.a.mod' is unknown: did you mean 'mode'? Allowed: mode, size",
        "parameter 'outer.iner' is unknown: did you mean 'inner'? Allowed: inner, name, parts",
    ]


def test_values_that_are_not_allowed_are_shown_with_the_rule() -> None:
    found = problems(name="too long", inner={"size": 3, "mode": "quick"})
    assert found == [
        "parameter 'outer.name' = 'too long': at most 5 letters: choose a shorter name",
        "parameter 'outer.inner.size' = 3: input should be greater than or equal to 16",
        "parameter 'outer.inner.mode' = 'quick': input should be 'fast' or 'exact'",
    ]


def test_a_missing_value_is_named() -> None:
    assert problems() == ["parameter 'outer.name' is missing: give it in conf/base or with --params"]


def test_top_level_keys_outside_conf_are_unknown() -> None:
    assert list(unknown_keys({"seed": 1}, ["seed"])) == []
    assert "did you mean 'train'" in next(unknown_keys({"trian": 1}, ["seed", "train"]))


def test_a_group_and_a_part_of_it_may_both_be_asked_for() -> None:
    raw = {"outer": {"name": "clip", "inner": {"size": 32}}, "deep": {"inner": {"size": 64}}}
    models = {"outer.inner": Inner, "outer": Outer, "deep.inner": Inner}
    assert list(model_problems(raw, models)) == []
    assert with_models(raw, models) == {
        "outer": Outer(name="clip", inner=Inner(size=32)),
        "deep": {"inner": Inner(size=64)},
    }
    assert raw["outer"] == {"name": "clip", "inner": {"size": 32}}


def test_one_problem_is_told_once() -> None:
    raw = {"outer": {"name": "clip", "inner": {"siez": 32}}}
    assert len(list(model_problems(raw, {"outer": Outer, "outer.inner": Inner}))) == 1


def test_a_fault_of_a_whole_group_is_told_without_repeating_the_group() -> None:
    raw = {"label": {"llm": {"pictures": {"count": 2}}}}
    (problem,) = model_problems(raw, {"label": LabelOptions})
    assert problem.startswith("parameter 'label.llm': pictures.count = 2 needs a model that sees")


class Texts(Options):
    salt: str = "v1"
    note: str | None = None
    count: int = 1
    rate: float = 0.5
    names: list[str] = Field(default_factory=list)
    either: int | str = 1
    inner: Inner = Inner()


@pytest.mark.parametrize(
    ("key", "text", "parsed", "taken"),
    [
        ("salt", "21", 21, "21"),
        ("salt", "1e3", 1000.0, "1e3"),
        ("salt", "007", 7, "007"),
        ("salt", "true", True, "true"),
        ("salt", "null", None, "null"),
        ("salt", "2026-01-01", "2026-01-01", "2026-01-01"),
        ("salt", "[a]", ["a"], ["a"]),  # no text, and told as before
        ("note", "null", None, None),
        ("note", "5", 5, "5"),
        ("names", "[21,true,x]", [21, True, "x"], ["21", "true", "x"]),
        ("either", "5", 5, 5),
        ("count", "5", 5, 5),
        ("count", "many", "many", "many"),
        ("count", "1.5", 1.5, 1.5),
        ("rate", "2", 2, 2),
        ("inner.mode", "3", 3, 3),
        ("inner.size", "300", 300, 300),
    ],
)
def test_what_looks_like_a_number_is_a_text_for_a_parameter_that_is_one(key, text, parsed, taken) -> None:
    given = nested(f"outer.{key}", parsed)
    texts = with_texts(given, lay_over({"outer": {}, "seed": 1}, given), {"outer": Texts}, {f"outer.{key}": text})
    assert texts == nested(f"outer.{key}", taken)


def test_each_text_is_settled_on_its_own() -> None:
    given = {"outer": {"salt": 1, "note": 2, "count": "x"}}
    texts = {"outer.salt": "01", "outer.note": "02", "outer.count": "x", "elsewhere": "3"}
    taken = with_texts(given | {"elsewhere": 3}, given | {"elsewhere": 3}, {"outer": Texts}, texts)
    assert taken == {"outer": {"salt": "01", "note": "02", "count": "x"}, "elsewhere": 3}
    assert list(model_problems(taken, {"outer": Texts})) == [
        "parameter 'outer.count' = 'x': input should be a valid integer, unable to parse string as an integer"
    ]
