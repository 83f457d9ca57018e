"""The parameters file that tuning writes: the next run reads it, and people's edits count."""

from pathlib import Path

import pytest
import yaml

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.settings import CONFIG_LOADER_ARGS, CONFIG_LOADER_CLASS
from cu_pipeline.tracking import override_words, params_file
from cu_pipeline.tracking.tuned_parameters import StatedParameters, TunedParameters, TunedParametersDataset

BASE = {"train": {"family": "linear", "linear": {"folds": 5, "strengths": [10.0, 1.0]}}, "seed": 17}
TUNED = TunedParameters({"train": {"linear": {"strengths": [3.2]}}}, "trial 7, the best of 20")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with parameters, and a catalog that names the file."""
    for name in ("base", "local", "gpu"):
        (tmp_path / "conf" / name).mkdir(parents=True)
    (tmp_path / "conf/base/parameters.yml").write_text(yaml.safe_dump(BASE))
    entry = {"type": "any.Dataset", "filepath": "conf/${environment:}/parameters_tuned.yml"}
    (tmp_path / "conf/base/catalog.yml").write_text(yaml.safe_dump({"tuned_parameters": entry}))
    return tmp_path


def loader(project: Path, env: str | None = None):
    return CONFIG_LOADER_CLASS(str(project / "conf"), env=env, **CONFIG_LOADER_ARGS)


def tune(project: Path, tuned: TunedParameters = TUNED, env: str | None = None) -> Path:
    """Save parameters where a run in an environment does."""
    path = project / loader(project, env)["catalog"]["tuned_parameters"]["filepath"]
    TunedParametersDataset(filepath=str(path)).save(tuned)
    return path


@pytest.mark.parametrize(("env", "folder"), [(None, "local"), ("local", "local"), ("gpu", "gpu"), ("base", "local")])
def test_the_next_run_of_the_environment_reads_them(project, env, folder):
    assert tune(project, env=env) == project / "conf" / folder / "parameters_tuned.yml"
    assert loader(project, folder)["parameters"]["train"]["linear"] == {"folds": 5, "strengths": [3.2]}
    other = "gpu" if folder == "local" else "local"
    assert loader(project, other)["parameters"] == BASE


def test_where_they_come_from_is_listed_and_dvc_sees_them(project):
    tune(project)
    params_file.record(project, loader(project).run_parameters(), ["train", "seed"])
    assert yaml.safe_load((project / "params.yaml").read_text())["train"] == {"linear": {"strengths": [3.2]}}
    recorded, _ = loader(project).up_to_date()
    (line,) = override_words.listing(recorded, loader(project).checkout).splitlines()[1:]
    assert line.split("  ")[0] == "train.linear.strengths"
    assert "  conf/local on " in line
    assert "  conf/local of another checkout on " in override_words.listing(recorded, "elsewhere")


def test_an_edit_counts(project):
    path = tune(project)
    assert "trial 7, the best of 20" in path.read_text()
    path.write_text(path.read_text().replace("3.2", "4.5"))
    assert loader(project)["parameters"]["train"]["linear"]["strengths"] == [4.5]
    path.unlink()
    assert loader(project)["parameters"] == BASE


def test_a_later_study_changes_what_it_searched_alone(project):
    tune(project)
    tune(project, TunedParameters({"train": {"linear": {"folds": 7}, "fusion": {"epochs": 3}}}))
    path = tune(project, TunedParameters({}))
    assert yaml.safe_load(path.read_text()) == {
        "train": {"linear": {"strengths": [3.2], "folds": 7}, "fusion": {"epochs": 3}}
    }


def test_nothing_better_makes_no_file(project):
    assert not tune(project, TunedParameters({})).exists()


def test_what_people_state_beside_it_is_found(project):
    path = tune(project)
    (project / "conf/local/parameters_own").mkdir()
    (project / "conf/local/parameters_own/train.yml").write_text("train: {linear: {folds: 3}}\n")
    stated = StatedParameters(filepath=str(path))
    assert stated.load() == {"train.linear.folds": "conf/local/parameters_own/train.yml"}


def test_the_same_parameter_in_two_files_is_told(project):
    tune(project)
    (project / "conf/local/parameters.yml").write_text("train: {linear: {strengths: [2.0]}}\n")
    with pytest.raises(ConfigurationError, match=r"Duplicate keys found in .*train\.linear\.strengths"):
        loader(project)["parameters"]
