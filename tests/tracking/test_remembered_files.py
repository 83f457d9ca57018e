import os

import pytest

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.settings import CONFIG_LOADER_ARGS
from cu_pipeline.tracking.configuration import ProjectConfigLoader
from cu_pipeline.tracking.remembered_files import remembered


@pytest.fixture
def conf(tmp_path):
    """The configuration of a small project."""
    for env in ("base", "local", "gpu"):
        (tmp_path / "conf" / env).mkdir(parents=True)
    (tmp_path / "conf/base/parameters.yml").write_text("seed: 1\ntrain: {family: linear}\n")
    (tmp_path / "conf/base/catalog.yml").write_text(
        "clips: {type: pandas.ParquetDataset, filepath: '${store:features}/clips.parquet'}\n"
    )
    return tmp_path / "conf"


def parameters(conf, env=None, **given):
    return ProjectConfigLoader(str(conf), env=env, runtime_params=given, **CONFIG_LOADER_ARGS)["parameters"]


def test_files_are_read_again_when_their_bytes_change_and_only_then(conf):
    read = []

    def look():
        return remembered([conf / "base"], "terms", lambda: read.append(1) or {"found": [len(read)]})

    assert (look(), look()) == ({"found": [1]}, {"found": [1]})
    before = (conf / "base/parameters.yml").stat()
    (conf / "base/parameters.yml").write_text("seed: 2\ntrain: {family: linear}\n")
    os.utime(conf / "base/parameters.yml", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert look() == {"found": [2]}
    (conf / "base/more").mkdir()
    (conf / "base/more/parameters.yaml").write_text("a: 1\n")
    assert look() == {"found": [3]}
    (conf / "base/more/parameters.yaml").unlink()
    assert look() == {"found": [2]}
    (conf / "base/notes.txt").write_text("no configuration")
    assert look() == {"found": [2]}


def test_what_a_caller_changes_is_not_seen_by_others(conf):
    parameters(conf)["train"]["family"] = "changed"
    assert parameters(conf)["train"] == {"family": "linear"}


def test_what_cannot_be_read_is_not_remembered(conf):
    with pytest.raises(ZeroDivisionError):
        remembered([conf], "terms", lambda: 1 / 0)
    assert remembered([conf], "terms", lambda: {"a": 1}) == {"a": 1}


def test_an_environment_and_a_command_line_have_parameters_of_their_own(conf):
    (conf / "gpu/parameters.yml").write_text("train: {family: video}\n")
    assert parameters(conf)["train"] == {"family": "linear"}
    assert parameters(conf, "gpu")["train"] == {"family": "video"}
    assert parameters(conf, "gpu", seed=5)["seed"] == 5
    assert parameters(conf, "gpu")["seed"] == 1
    assert parameters(conf, seed="5")["seed"] == "5"


def test_a_file_that_was_broken_and_mended_is_read(conf):
    good = (conf / "base/parameters.yml").read_text()
    assert parameters(conf)["seed"] == 1
    (conf / "base/parameters.yml").write_text("seed: [1\n")
    with pytest.raises(ConfigurationError, match="line"):
        parameters(conf)
    (conf / "base/parameters.yml").write_text(good)
    assert parameters(conf)["seed"] == 1


def test_a_catalog_follows_the_stores_of_the_parameters(conf):
    def catalog():
        return ProjectConfigLoader(str(conf), **CONFIG_LOADER_ARGS)["catalog"]["clips"]["filepath"]

    before = catalog()
    (conf / "local/parameters.yml").write_text("stores: {features: 's3://bucket/features'}\n")
    assert before != catalog() == "s3://bucket/features/clips.parquet"
    (conf / "local/parameters.yml").unlink()
    assert catalog() == before


def test_of_two_loaders_each_has_its_own_environment_and_stores(conf):
    (conf / "base/catalog.yml").write_text("tuned: {filepath: 'conf/${environment:}/${store:features}'}\n")
    (conf / "local/parameters.yml").write_text("stores: {features: 's3://a/f'}\n")
    (conf / "gpu/parameters.yml").write_text("stores: {features: 's3://b/f'}\n")
    local, gpu = (ProjectConfigLoader(str(conf), env=env, **CONFIG_LOADER_ARGS) for env in (None, "gpu"))
    for loader, expected in ((local, "conf/local/s3://a/f"), (gpu, "conf/gpu/s3://b/f")) * 2:
        assert loader["catalog"]["tuned"]["filepath"] == expected


def test_what_is_saved_while_it_is_read_is_read_again(conf):
    file = conf / "base/parameters.yml"

    def read():
        file.write_text("seed: 2\n")
        return {"seed": 2}

    before = file.read_text()
    assert remembered([conf], "terms", read) == {"seed": 2}
    file.write_text(before)
    assert remembered([conf], "terms", lambda: {"seed": 1}) == {"seed": 1}


def test_values_that_a_caller_sets_count(conf):
    (conf / "base/globals.yml").write_text("size: 1\n")
    (conf / "base/parameters.yml").write_text("seed: ${globals:size}\n")
    assert parameters(conf)["seed"] == 1
    loader = ProjectConfigLoader(str(conf), **CONFIG_LOADER_ARGS)
    loader["globals"] = {"size": 5}
    assert loader["parameters"]["seed"] == 5
