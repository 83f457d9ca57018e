"""Files of DVC and of `conf/` that a merge or a crash has damaged are told in words, by every reader."""

from pathlib import Path

import pytest

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.tracking import dvc_lock, params_file, snapshots, yaml_files
from cu_pipeline.tracking.configuration import ProjectConfigLoader

MERGE = "schema: '2.0'\nstages:\n<<<<<<< HEAD\n  a: {}\n=======\n  b: {}\n>>>>>>> other\n"
GOOD = "schema: '2.0'\nstages:\n  collect:\n    outs:\n    - path: data/clips.parquet\n      md5: " + "0" * 32 + "\n"
READERS = {
    "before a run": dvc_lock.check,
    "after a run": lambda root: dvc_lock.hashes(root, ["collect"]),
    "snapshots": lambda root: snapshots.unrecorded(root, {"clips": "data/clips.parquet"}),
}


@pytest.mark.parametrize("reader", READERS)
def test_an_unresolved_merge_in_dvc_lock_is_named_with_its_line_and_how_to_end_it(tmp_path: Path, reader: str) -> None:
    (tmp_path / "dvc.lock").write_text(MERGE)
    with pytest.raises(ConfigurationError) as told:
        READERS[reader](tmp_path)
    assert "dvc.lock has an unresolved merge in line 3" in str(told.value)
    assert "git checkout --ours dvc.lock" in str(told.value)
    assert "--theirs" in str(told.value)
    assert len(str(told.value).splitlines()) < 10


def test_a_dvc_lock_cut_off_anywhere_is_read_or_told_in_words(tmp_path: Path) -> None:
    told = []
    for end in range(len(GOOD)):
        (tmp_path / "dvc.lock").write_text(GOOD[:end])
        try:
            dvc_lock.check(tmp_path)
        except ConfigurationError as error:
            told.append(str(error))
    assert len(told) > 20
    assert all(text.startswith("dvc.lock ") for text in told)
    (tmp_path / "dvc.lock").write_text(GOOD)
    dvc_lock.check(tmp_path)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00garbage", b"[1, 2]", b"stages: [a]", b"\x00\x01", b"a: b: c"])
def test_a_dvc_lock_of_another_kind_is_told_in_words(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "dvc.lock").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"^dvc\.lock .*git checkout dvc\.lock"):
        dvc_lock.check(tmp_path)


def test_dvc_yaml_and_params_yaml_are_told_with_their_own_remedy(tmp_path: Path) -> None:
    for name, remedy in (("dvc.yaml", "`kedro dvc-yaml` writes it anew"), ("params.yaml", "delete it")):
        (tmp_path / name).write_text(MERGE)
        with pytest.raises(ConfigurationError, match=rf"{name} has an unresolved merge in line 3: {remedy}"):
            (params_file.read if name == "params.yaml" else dvc_lock.check)(tmp_path)
        (tmp_path / name).unlink()


def test_a_line_of_equal_signs_in_good_yaml_is_no_merge() -> None:
    assert yaml_files.parse("a: |\n  x\n  =======\n  y\n", "a.yml") == {"a": "x\n=======\ny\n"}


def test_what_is_no_yaml_is_named_with_line_and_column() -> None:
    with pytest.raises(ConfigurationError, match=r"a\.yml is no YAML in line 2, column \d+ \(.*\): correct the file"):
        yaml_files.parse("a: 1\nb: [c: d: e\n", "a.yml")


@pytest.fixture
def loader(tmp_path: Path):
    for env in ("base", "local", "gpu"):
        (tmp_path / "conf" / env).mkdir(parents=True)
    (tmp_path / "conf" / "base" / "parameters.yml").write_text("seed: 1\n")
    (tmp_path / "conf" / "base" / "catalog.yml").write_text("a: {type: x.Y}\n")

    def make(env: str = "local") -> ProjectConfigLoader:
        return ProjectConfigLoader(
            str(tmp_path / "conf"), env=env, base_env="base", default_run_env="local",
            config_patterns={"parameters": ["parameters*"], "catalog": ["catalog*"]},
        )  # fmt: skip

    return make


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("base/parameters.yml", "<<<<<<< HEAD\nseed: 1\n=======\nseed: 2\n>>>>>>> x\n", "unresolved merge in line 1"),
        ("local/parameters_own.yml", "seed: [1\nb: 2\n", "conf/local/parameters_own.yml is no YAML in line 2"),
        ("local/parameters_own.yml", "seed: 1\n\tb: 2\n", "conf/local/parameters_own.yml is no YAML in line 2"),
        ("base/catalog.yml", "a: {b: c\n", "conf/base/catalog.yml is no YAML"),
        ("base/parameters_more.yml", "seed: 2\n", "uplicate keys"),
        ("base/parameters.yml", "seed: ${nowhere}\n", "nowhere"),
    ],
)
def test_faults_of_conf_name_the_file(tmp_path: Path, loader, file: str, text: str, words: str) -> None:
    (tmp_path / "conf" / file).write_text(text)
    with pytest.raises(ConfigurationError, match=words.replace("(", r"\(")) as told:
        loader()["catalog" if "catalog" in file else "parameters"]
    assert len(str(told.value).splitlines()) < 6


def test_an_unknown_environment_is_refused_with_those_there_are(loader) -> None:
    assert loader("gpu")["parameters"] == {"seed": 1}
    with pytest.raises(ConfigurationError, match=r"environment 'gpo' is unknown: .*conf has base, gpu, local"):
        loader("gpo")["parameters"]
