"""Any selection of pipelines runs or says what must run before; checked on the real pipelines and catalog."""

from itertools import combinations
from pathlib import Path

import pytest
from kedro.framework.project import pipelines as project_pipelines
from kedro.framework.startup import bootstrap_project
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.hooks.required_inputs import RequiredInputsHooks
from cu_pipeline.tracking.configuration import ProjectConfigLoader

LIFECYCLE = ["collect", "featurize", "label", "train", "evaluate", "deliver", "monitor", "report"]
BEFORE = {
    "collect": [],
    "featurize": ["collect"],
    "label": ["collect"],
    "train": ["collect", "featurize", "label"],
    "evaluate": ["collect", "featurize", "label", "train"],
    "deliver": ["collect", "featurize", "label", "train", "evaluate"],
    "monitor": ["collect", "featurize", "label", "train", "evaluate", "deliver"],
    "report": ["collect", "featurize", "label", "train", "evaluate", "deliver", "monitor"],
    "prompts": ["collect", "featurize", "label"],
}
"""What a fresh project must run before each pipeline, as `docs/` draws the lifecycle."""


@pytest.fixture(scope="module")
def registered(project_root: Path) -> dict[str, Pipeline]:
    bootstrap_project(project_root)
    project_pipelines.set_requested(None)
    return dict(project_pipelines)


@pytest.fixture
def catalog(project_root: Path, tmp_path: Path) -> DataCatalog:
    entries = ProjectConfigLoader(
        str(project_root / "conf"), env="base", base_env="base", default_run_env="base",
        config_patterns={"catalog": ["catalog*"]},
    )["catalog"]  # fmt: skip
    for entry in entries.values():
        if "filepath" in entry:
            entry["filepath"] = str(tmp_path / entry["filepath"])
    return DataCatalog.from_config(entries)


def check(names: list[str], pipeline: Pipeline, catalog: DataCatalog) -> str:
    try:
        RequiredInputsHooks().before_pipeline_run({"pipeline_names": names}, pipeline, catalog)
    except ConfigurationError as error:
        return str(error)
    return ""


def wanted(text: str) -> list[str]:
    return text.partition("kedro run --pipelines=")[2].partition("`")[0].split(",")


@pytest.mark.parametrize("count", [1, 2])
def test_every_pipeline_and_every_pair_runs_in_a_fresh_project_or_names_all_that_must_run(
    registered: dict[str, Pipeline], catalog: DataCatalog, count: int
) -> None:
    for names in combinations(BEFORE, count):
        text = check(list(names), sum((registered[name] for name in names), Pipeline([])), catalog)
        needed = {one for name in names for one in BEFORE[name]} - set(names)
        if not needed:
            assert text == "", names
            continue
        order = wanted(text)
        assert set(order) == needed | set(names), names
        for name in order:
            assert all(order.index(one) < order.index(name) for one in BEFORE[name]), (names, order)


def test_the_whole_lifecycle_needs_nothing(registered: dict[str, Pipeline], catalog: DataCatalog) -> None:
    assert check([], registered["__default__"], catalog) == ""


def test_what_is_there_is_not_asked_for_again(
    registered: dict[str, Pipeline], catalog: DataCatalog, tmp_path: Path
) -> None:
    for name in ("collect", "featurize", "label", "train", "evaluate"):
        for output in registered[name].all_outputs():
            if output in catalog and not isinstance(catalog.get(output), MemoryDataset):
                path = tmp_path / Path(str(catalog.get(output)._filepath))
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
    text = check(["report"], registered["report"], catalog)
    assert wanted(text) == ["deliver", "monitor", "report"]
    assert "read by report: champions, delivery (deliver); drift (monitor)." in text
    assert check(["evaluate"], registered["evaluate"], catalog) == ""


@pytest.mark.parametrize("options", [{"node_names": ["train_models"]}, {"from_nodes": ["train_models"]}])
def test_nodes_that_are_fed_by_nodes_left_out_name_the_pipeline_to_run(
    registered: dict[str, Pipeline], catalog: DataCatalog, options: dict[str, list[str]]
) -> None:
    text = check([], registered["__default__"].filter(**options), catalog)
    assert "read by the selected nodes: " in text
    assert "training_data" in text
    assert "train" in wanted(text)


def test_nodes_before_another_run_as_they_are(registered: dict[str, Pipeline], catalog: DataCatalog) -> None:
    assert check([], registered["__default__"].filter(to_nodes=["keep_clips"]), catalog) == ""


def test_nodes_that_only_read_logs_run_though_these_are_absent(
    registered: dict[str, Pipeline], catalog: DataCatalog
) -> None:
    text = check(["label"], registered["label"].filter(from_nodes=["merge_annotations"]), catalog)
    assert "people_batches" not in text
    assert "feed_annotations" in text
