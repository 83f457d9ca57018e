"""Where tuning searches: what is refused before anything is computed, and what a point stands for."""

import pytest
from pydantic import ValidationError

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.options import Options
from cu_pipeline.models.families import FAMILIES
from cu_pipeline.models.fusion import FusionOptions
from cu_pipeline.models.linear import LinearOptions
from cu_pipeline.models.search_space import Dimension, SearchSpace, declared


def space(present: Options | None = None, **given: dict[str, object]) -> SearchSpace:
    dimensions = {name: Dimension.model_validate(one) for name, one in given.items()}
    return SearchSpace.of("fusion", present or FusionOptions(), dimensions)


def test_all_that_the_family_refuses_is_told_at_once():
    with pytest.raises(ConfigurationError) as refused:
        space(
            learning_rat={"low": 1e-4, "high": 1e-2},
            dropout={"low": 0.1, "high": 1.2},
            layers={"choices": [1, 40]},
            epochs={"low": 1.5, "high": 9},
            width={"low": 8, "high": 64, "multiples": [1, 2]},
        )
    assert refused.value.problems == [
        "tune.space.learning_rat: train.fusion has no such parameter: did you mean 'learning_rate'? Allowed: "
        "batch_size, dropout, epochs, heads, label_smoothing, layers, learning_rate, modality_dropout, patience, "
        "weight_decay, width",
        "tune.space.dropout: train.fusion.dropout cannot be 1.2: input should be less than 1",
        "tune.space.layers: train.fusion.layers cannot be 40: input should be less than or equal to 12",
        "tune.space.epochs: train.fusion.epochs cannot be 1.5: input should be a valid integer, got a number with a "
        "fractional part",
        "tune.space.width: train.fusion.width is no list: leave `multiples` out",
    ]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"low": 2, "high": 1}, "the range is empty: low=2 is not below high=1"),
        ({"low": 1, "high": 1}, "the range is empty"),
        ({"low": 0, "high": 1, "log": True}, "low=0 has no logarithm"),
        ({"low": 0}, "give `low` and `high`, or `choices`"),
        ({"choices": [1]}, "leave no choice"),
        ({"choices": [1, 1.0]}, "leave no choice"),
        ({"choices": [1, 2], "low": 1}, "`choices` go without `low`"),
        ({"lo": 1, "high": 2}, "lo\n"),
    ],
)
def test_a_dimension_without_values_is_refused(given, told):
    with pytest.raises(ValidationError, match=told):
        Dimension.model_validate(given)


class Fixed(Options):
    rate: float = 1.0


def test_a_family_without_anything_to_search_is_refused():
    with pytest.raises(
        ConfigurationError, match=r"'fixed' declares no parameters to search: name another in tune\.family"
    ):
        SearchSpace.of("fixed", Fixed(), {})


def test_what_families_declare_is_allowed_and_has_their_defaults():
    declaring = {name: one.options for name, one in FAMILIES.items() if declared(one.options)}
    assert {"fusion", "linear"} <= set(declaring)
    for name, options in declaring.items():
        given = {one: {"name": "a folder"} for one, field in options.model_fields.items() if field.is_required()}
        found = SearchSpace.of(name, options(**given), {})
        point = found.place_of(options(**given))
        assert point is not None
        assert found.options(point) == options(**given)


def test_a_point_keeps_four_digits_within_the_range():
    found = space(learning_rate={"low": 0.00012344, "high": 0.1, "log": True}, layers={"low": 1, "high": 3})
    assert found.point({"learning_rate": 0.0123456, "layers": 2}) == {"learning_rate": 0.01235, "layers": 2}
    assert found.point({"learning_rate": 0.00012344, "layers": 2})["learning_rate"] == 0.00012344


def test_a_list_is_searched_by_a_number_and_its_multiples():
    found = SearchSpace.of("linear", LinearOptions(), {})
    assert found.settings({"strengths": 31.62, "folds": 4}) == {"strengths": [31.62, 3.162, 316.2], "folds": 4}
    assert found.options({"strengths": 31.62, "folds": 4}) == LinearOptions(strengths=(31.62, 3.162, 316.2), folds=4)
    assert found.place_of(LinearOptions(strengths=(31.62, 3.162, 316.2))) == {"strengths": 31.62, "folds": 5}


@pytest.mark.parametrize(
    "outside", [LinearOptions(strengths=(1.0, 7.0, 9.0)), LinearOptions(strengths=(1e5,)), LinearOptions(folds=19)]
)
def test_parameters_outside_the_space_have_no_point(outside):
    assert SearchSpace.of("linear", outside, {}).place_of(outside) is None


def test_choices_may_be_anything_that_the_option_takes():
    strengths = [[1.0], [10.0, 1.0], [3]]
    found = SearchSpace.of("linear", LinearOptions(), {"strengths": Dimension(choices=tuple(strengths))})
    names = found.dimensions["strengths"].scalars
    assert [found.settings({"strengths": name})["strengths"] for name in names] == strengths
    assert found.place_of(LinearOptions(strengths=(10.0, 1.0))) == {"strengths": names[1]}
    assert found.place_of(LinearOptions(strengths=(2.0,))) is None


def test_the_anchor_does_not_depend_on_what_is_searched():
    given = {"dropout": {"low": 0.1, "high": 0.5}}
    one, other = FusionOptions(dropout=0.2), FusionOptions(dropout=0.4)
    assert space(one, **given).anchor == space(other, **given).anchor
    assert space(one, **given).anchor != space(FusionOptions(dropout=0.2, width=32), **given).anchor
