from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.tracking import parameter_trees, params_file

LEAVES = st.integers() | st.text(max_size=3) | st.none() | st.lists(st.integers(), max_size=2)
GROUPS = st.recursive(LEAVES, lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=8)
PARAMETERS = st.dictionaries(st.sampled_from("abc"), GROUPS, max_size=3)


@given(PARAMETERS, PARAMETERS)
def test_a_difference_laid_over_the_base_gives_the_parameters_back(
    base: dict[str, Any], changes: dict[str, Any]
) -> None:
    resolved = parameter_trees.lay_over(base, changes)
    assert parameter_trees.lay_over(base, parameter_trees.difference(base, resolved)) == resolved


def test_only_the_keys_that_a_run_used_are_recorded(tmp_path: Path) -> None:
    base = {"collect": {"clips": 240}, "seed": 17, "train": {"epochs": 9}}
    params_file.record(
        tmp_path, base, {"collect": {"clips": 5}, "seed": 3, "train": {"epochs": 9}}, ["collect", "seed"]
    )
    params_file.record(tmp_path, base, {"collect": {"clips": 240}, "seed": 17, "train": {"epochs": 1}}, ["train"])
    assert params_file.read(tmp_path) == {"collect": {"clips": 5}, "seed": 3, "train": {"epochs": 1}}


def test_a_run_without_changes_clears_those_of_the_keys_it_used(tmp_path: Path) -> None:
    base = {"collect": {"clips": 240}, "seed": 17}
    params_file.record(tmp_path, base, {"collect": {"clips": 5}, "seed": 3}, base)
    params_file.record(tmp_path, base, base, ["collect"])
    assert params_file.read(tmp_path) == {"seed": 3}


def test_a_run_leaves_the_changes_of_a_group_beside_the_one_it_read(tmp_path: Path) -> None:
    base = {"label": {"llm": {"shots": 6}, "queue": {"most": 9}}}
    params_file.record(tmp_path, base, {"label": {"llm": {"shots": 2}, "queue": {"most": 9}}}, ["label.llm"])
    params_file.record(tmp_path, base, {"label": {"llm": {"shots": 6}, "queue": {"most": 1}}}, ["label.queue"])
    assert params_file.read(tmp_path) == {"label": {"llm": {"shots": 2}, "queue": {"most": 1}}}
    params_file.record(tmp_path, base, base, ["label.llm", "label"])
    assert params_file.read(tmp_path) == {}


def test_each_key_that_a_stage_compares_is_there_and_changes_nothing(tmp_path: Path) -> None:
    base = {"label": {"llm": {"shots": 6}, "rules": ["a"]}, "seed": 1}
    params_file.record(tmp_path, base, base, [], ["label.llm", "label.rules", "seed"])
    written = yaml.safe_load((tmp_path / "params.yaml").read_text())
    assert written == {"label": {"llm": {}, "rules": {}}, "seed": None}
    assert parameter_trees.lay_over(base, params_file.read(tmp_path)) == base


def test_a_file_without_narrow_keys_is_read_as_before(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("label: {llm: {shots: 2}}\ntrain: {}\nseed: null\n")
    base = {"label": {"llm": {"shots": 6}, "queue": {}}, "seed": 1, "train": {"epochs": 9}}
    params_file.record(tmp_path, base, base, ["seed"], ["label.llm", "label.queue"])
    assert yaml.safe_load((tmp_path / "params.yaml").read_text())["label"] == {"llm": {"shots": 2}, "queue": {}}


def test_the_same_changes_give_the_same_bytes_whatever_the_order(tmp_path: Path) -> None:
    params_file.record(tmp_path, {"a": {}, "b": 1}, {"b": 2, "a": {"y": 1, "x": 2}}, ["a", "b"])
    first = (tmp_path / "params.yaml").read_bytes()
    params_file.record(tmp_path, {"b": 1, "a": {}}, {"a": {"x": 2, "y": 1}, "b": 2}, ["b", "a"])
    assert (tmp_path / "params.yaml").read_bytes() == first


@pytest.mark.parametrize("text", ["[1, 2]", "a: [", "words"])
def test_a_damaged_file_is_refused_with_the_remedy(tmp_path: Path, text: str) -> None:
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match="delete it and run again"):
        params_file.read(tmp_path)
