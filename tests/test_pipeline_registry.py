from pathlib import Path

import pytest
from kedro.framework.startup import bootstrap_project

from cu_pipeline.pipeline_registry import GROUPED, LIFECYCLE, register_pipelines


def test_pictures_show_a_group_for_each_stage_and_the_same_data(monkeypatch: pytest.MonkeyPatch) -> None:
    bootstrap_project(Path(__file__).parents[1])
    plain = register_pipelines()["__default__"]
    monkeypatch.setenv(GROUPED, "1")
    grouped = register_pipelines()["__default__"]
    assert {node.namespace for node in grouped.nodes} == set(LIFECYCLE)
    assert {node.namespace for node in plain.nodes} == {None}
    assert grouped.datasets() == plain.datasets()
    assert sorted(node.short_name for node in grouped.nodes) == sorted(node.short_name for node in plain.nodes)
