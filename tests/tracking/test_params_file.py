from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.tracking import parameter_trees, params_file
from cu_pipeline.tracking.overrides import Conf, Override, RunParameters

LEAVES = st.integers() | st.text(max_size=3) | st.none() | st.lists(st.integers(), max_size=2)
GROUPS = st.recursive(LEAVES, lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=8)
PARAMETERS = st.dictionaries(st.sampled_from("abc"), GROUPS, max_size=3)


@given(PARAMETERS, PARAMETERS)
def test_a_difference_laid_over_the_base_gives_the_parameters_back(
    base: dict[str, Any], changes: dict[str, Any]
) -> None:
    resolved = parameter_trees.lay_over(base, changes)
    assert parameter_trees.lay_over(base, parameter_trees.difference(base, resolved)) == resolved


def record(root: Path, base: dict[str, Any], resolved: dict[str, Any], used: Iterable[str], compared=(), **of) -> None:
    """Record a run; unless an environment of conf/ is given, all that differs from the base is of its command line."""
    environment, conf = of.get("environment", "local"), of.get("conf", base)
    run = RunParameters(Conf(base, {environment: conf}, "here"), environment, resolved)
    params_file.record(root, run, used, compared)


def test_only_the_keys_that_a_run_used_are_recorded(tmp_path: Path) -> None:
    base = {"collect": {"clips": 240}, "seed": 17, "train": {"epochs": 9}}
    record(tmp_path, base, {"collect": {"clips": 5}, "seed": 3, "train": {"epochs": 9}}, ["collect", "seed"])
    record(tmp_path, base, {"collect": {"clips": 240}, "seed": 17, "train": {"epochs": 1}}, ["train"])
    assert params_file.read(tmp_path) == {"collect": {"clips": 5}, "seed": 3, "train": {"epochs": 1}}


def test_a_run_without_changes_clears_those_of_the_keys_it_used(tmp_path: Path) -> None:
    base = {"collect": {"clips": 240}, "seed": 17}
    record(tmp_path, base, {"collect": {"clips": 5}, "seed": 3}, base)
    record(tmp_path, base, base, ["collect"])
    assert params_file.read(tmp_path) == {"seed": 3}


def test_a_run_leaves_the_changes_of_a_group_beside_the_one_it_read(tmp_path: Path) -> None:
    base = {"label": {"llm": {"shots": 6}, "queue": {"most": 9}}}
    record(tmp_path, base, {"label": {"llm": {"shots": 2}, "queue": {"most": 9}}}, ["label.llm"])
    record(tmp_path, base, {"label": {"llm": {"shots": 6}, "queue": {"most": 1}}}, ["label.queue"])
    assert params_file.read(tmp_path) == {"label": {"llm": {"shots": 2}, "queue": {"most": 1}}}
    record(tmp_path, base, base, ["label.llm", "label"])
    assert params_file.read(tmp_path) == {}


def test_each_key_that_a_stage_compares_is_there_and_changes_nothing(tmp_path: Path) -> None:
    base = {"label": {"llm": {"shots": 6}, "rules": ["a"]}, "seed": 1}
    record(tmp_path, base, base, [], ["label.llm", "label.rules", "seed"])
    written = yaml.safe_load((tmp_path / "params.yaml").read_text())
    assert written == {"label": {"llm": {}, "rules": {}}, "seed": None}
    assert parameter_trees.lay_over(base, params_file.read(tmp_path)) == base


def test_a_file_without_narrow_keys_is_read_as_before(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("label: {llm: {shots: 2}}\ntrain: {}\nseed: null\n")
    base = {"label": {"llm": {"shots": 6}, "queue": {}}, "seed": 1, "train": {"epochs": 9}}
    record(tmp_path, base, base, ["seed"], ["label.llm", "label.queue"])
    assert yaml.safe_load((tmp_path / "params.yaml").read_text())["label"] == {"llm": {"shots": 2}, "queue": {}}


def test_the_same_changes_give_the_same_bytes_whatever_the_order(tmp_path: Path) -> None:
    record(tmp_path, {"a": {}, "b": 1}, {"b": 2, "a": {"y": 1, "x": 2}}, ["a", "b"])
    first = (tmp_path / "params.yaml").read_bytes()
    record(tmp_path, {"b": 1, "a": {}}, {"a": {"x": 2, "y": 1}, "b": 2}, ["b", "a"])
    assert (tmp_path / "params.yaml").read_bytes() == first


@pytest.mark.parametrize("text", ["[1, 2]", "a: [", "words"])
def test_a_damaged_file_is_refused_with_the_remedy(tmp_path: Path, text: str) -> None:
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match="delete it and run again"):
        params_file.read(tmp_path)


def test_each_change_is_kept_with_its_origin_and_a_repeated_run_keeps_the_day(tmp_path: Path) -> None:
    base = {"train": {"epochs": 40, "width": 64}, "workers": 0}
    conf, resolved = base | {"workers": 2}, {"train": {"epochs": 3, "width": 64}, "workers": 2}
    record(tmp_path, base, resolved, base, conf=conf)
    kept = params_file.read_record(tmp_path).overrides
    assert kept["train.epochs"] == Override("command line", kept["train.epochs"].at, 40)
    assert kept["workers"] == Override("conf/local", kept["workers"].at, 0, "here")
    text = (tmp_path / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text.replace(kept["train.epochs"].at, "2026-11-24T09:00:00+00:00"))
    record(tmp_path, base, resolved, base, conf=conf)
    assert params_file.read_record(tmp_path).overrides["train.epochs"].at == "2026-11-24T09:00:00+00:00"
    record(tmp_path, base, base, ["train"])
    assert list(params_file.read_record(tmp_path).overrides) == ["workers"]
    record(tmp_path, base, base, base)
    assert "_" not in (tmp_path / "params.yaml").read_text().replace("params_", "")


def test_the_environment_of_a_run_is_kept_for_what_it_read(tmp_path: Path) -> None:
    base = {"collect": {"clips": 240}, "train": {"epochs": 9}}
    record(tmp_path, base, base, base, environment="gpu")
    assert params_file.read_record(tmp_path).environments == {"collect": "gpu", "train": "gpu"}
    record(tmp_path, base, base, ["train"])
    assert params_file.read_record(tmp_path).environments == {"collect": "gpu"}


def test_the_feed_is_kept_without_a_day_and_the_generated_one_or_one_with_a_key_not_at_all(tmp_path: Path) -> None:
    base = {"collect": {"clips": 240}}
    for manifest, kept in {"a.csv": "a.csv", "sample": None, "https://h/a.csv?token=7": None}.items():
        record(tmp_path, base, {"collect": {"clips": 240, "manifest": manifest, "replace": True}}, ["collect"])
        written = yaml.safe_load((tmp_path / "params.yaml").read_text())
        assert written == {"collect": {"manifest": kept} if kept else {}}


def test_an_origin_in_another_form_is_told(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("seed: 3\n_overrides: {seed: {on: Tuesday}}\n")
    with pytest.raises(ConfigurationError, match=r"params\.yaml is damaged"):
        params_file.read(tmp_path)
