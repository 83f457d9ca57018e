from pathlib import Path

import pytest
import yaml
from kedro.framework.startup import bootstrap_project
from kedro.pipeline import Pipeline

from cu_pipeline.pipeline_registry import GROUPED, LIFECYCLE, SHOWN, register_pipelines

ROOT = Path(__file__).parents[1]


@pytest.fixture
def plain() -> dict[str, Pipeline]:
    bootstrap_project(ROOT)
    return register_pipelines()


@pytest.fixture
def picture(plain: dict[str, Pipeline], monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    monkeypatch.setenv(GROUPED, "1")
    return register_pipelines()["__default__"]


def test_the_picture_has_a_group_for_each_stage_with_all_its_nodes(
    plain: dict[str, Pipeline], picture: Pipeline
) -> None:
    assert {node.namespace for node in plain["__default__"].nodes} == {None}
    for stage in LIFECYCLE:
        group = picture.only_nodes_with_namespaces([stage])
        assert {node.short_name for node in group.nodes} == {node.name for node in plain[stage].nodes}


def test_the_picture_shows_the_main_data_alone_between_the_groups(picture: Pipeline) -> None:
    groups = [picture.only_nodes_with_namespaces([stage]) for stage in LIFECYCLE]
    reads = [{name for name in group.inputs() if not name.startswith("params:")} for group in groups]
    assert set().union(*reads, *(group.outputs() for group in groups)) == SHOWN


def test_what_lies_inside_a_stage_has_the_same_names_in_the_picture(
    plain: dict[str, Pipeline], picture: Pipeline
) -> None:
    assert picture.datasets() <= plain["__default__"].datasets()
    assert {"raw_manifest", "opinions", "bentos"} <= picture.datasets()


def test_the_catalog_gives_a_layer_to_what_the_picture_shows() -> None:
    files = (ROOT / "conf" / "base").glob("catalog_*.yml")
    entries = {name: entry for file in files for name, entry in yaml.safe_load(file.read_text()).items()}
    layered = {name for name, entry in entries.items() if "kedro-viz" in entry.get("metadata", {})}
    assert layered == SHOWN
