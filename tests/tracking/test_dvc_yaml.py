from pathlib import Path

import pytest

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.tracking.catalog_files import catalog_files
from cu_pipeline.tracking.dvc_yaml import Project, generate
from cu_pipeline.tracking.stages import Stage

CATALOG = {
    "raw": {"type": "x.Y", "filepath": "data/raw.csv"},
    "features": {"type": "x.Y", "filepath": "data/04_feature", "metadata": {"dvc": {"persist": True}}},
    "metrics": {"type": "x.Y", "filepath": "data/metrics.json", "metadata": {"dvc": {"metrics": True}}},
    "log": {"type": "x.Y", "filepath": "data/log", "metadata": {"dvc": False}},
    "remote": {"type": "x.Y", "filepath": "s3://bucket/table"},
    "inner": {"type": "x.Y", "filepath": "data/04_feature/part"},
    "memory": {"type": "MemoryDataset"},
    "_defaults": {"filepath": "nowhere"},
}


def stage(name: str, inputs: str = "", outputs: str = "", parameters: str = "") -> Stage:
    module = "cu_pipeline.core.hashing"
    return Stage(
        name,
        frozenset(inputs.split()),
        frozenset(outputs.split()),
        frozenset(parameters.split()),
        all_parameters=False,
        modules=frozenset({module}),
    )


def project(root: Path, *stages: Stage) -> Project:
    train = {"fusion": {"epochs": 9}, "threads": 0, "draws": {"seed": "${seed}"}}
    parameters = {"conf/base/parameters.yml": {"seed": 17}, "conf/base/parameters_train.yml": {"train": train}}
    return Project(root, "cu_pipeline", root / "src", stages, catalog_files(CATALOG), parameters)


def test_a_stage_has_what_it_reads_writes_and_runs(project_root: Path) -> None:
    made = stage("train", "raw memory log remote", "features metrics log", "seed train")
    assert generate(project(project_root, made))["stages"]["train"] == {
        "cmd": "kedro run --pipelines=train",
        "deps": ["data/raw.csv", "src/cu_pipeline/core/hashing.py"],
        "params": [
            {"conf/base/parameters.yml": ["seed"]},
            {"conf/base/parameters_train.yml": ["train"]},
            "seed",
            "train",
        ],
        "outs": [{"data/04_feature": {"persist": True}}],
        "metrics": ["data/metrics.json"],
    }


@pytest.mark.parametrize(
    ("read", "named"),
    [
        ("train.fusion", ["train.fusion"]),
        ("train.threads train.fusion", ["train.fusion", "train.threads"]),
        ("train.draws", ["seed", "train.draws"]),
    ],
)
def test_a_stage_names_the_narrow_parameters_it_reads_and_those_they_refer_to(
    project_root: Path, read: str, named: list[str]
) -> None:
    made = generate(project(project_root, stage("train", "raw", "metrics", read)))["stages"]["train"]
    assert [key for key in made["params"] if isinstance(key, str)] == named


def test_what_a_stage_makes_itself_is_no_dependency(project_root: Path) -> None:
    made = generate(project(project_root, stage("train", "features raw", "features")))["stages"]["train"]
    assert "data/04_feature" not in made["deps"]


def test_modules_behind_the_nodes_are_dependencies_also_when_imported_indirectly(project_root: Path) -> None:
    deep = Stage("x", frozenset(), frozenset(), frozenset(), False, frozenset({"cu_pipeline.hooks.lock"}))
    deps = generate(project(project_root, deep))["stages"]["x"]["deps"]
    assert "src/cu_pipeline/tracking/run_lock.py" in deps
    assert "src/cu_pipeline/core/errors.py" in deps
    assert not [path for path in deps if (project_root / path).stat().st_size == 0]


def test_overlapping_outs_and_unknown_parameters_are_all_named(project_root: Path) -> None:
    faulty = project(
        project_root,
        stage("one", outputs="features", parameters="sed"),
        stage("two", outputs="inner"),
        stage("three", parameters="train.fuson"),
    )
    with pytest.raises(ConfigurationError) as caught:
        generate(faulty)
    first, second, third = caught.value.problems
    assert "'features' (pipeline 'one') and 'inner' (pipeline 'two') both write data/04_feature/part" in first
    assert "pipeline 'one' reads the parameter 'sed'" in second
    assert "pipeline 'three' reads the parameter 'train.fuson'" in third
