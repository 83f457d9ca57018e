"""What people can get wrong with `kedro run` and its surroundings ends in at most ten lines, without a traceback."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.servers.kedro_commands import Kedro, kedro_commands

from cu_pipeline.tracking import params_file

pytestmark = pytest.mark.slow


NODES = """
from typing import Any

from cu_pipeline.core.options import Options


class Make(Options):
    number: int = 1
    fail: bool = False
    note: str = ""


def produce(options: Make, seed: int) -> dict[str, Any]:
    if options.fail:
        return {}["absent"]
    return {"value": options.number, "note": options.note}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, new_project: Callable[[Path], Path]) -> Path:
    folder = new_project(tmp_path_factory.mktemp("words") / "tiny")
    (folder / "src" / "tiny" / "pipelines" / "make" / "nodes.py").write_text(NODES)
    (folder / "conf" / "logging.yml").write_text(
        (folder / "conf" / "logging.yml").read_text().replace("ext://sys.stdout", "ext://sys.stderr")
    )
    return folder


@pytest.fixture(scope="module")
def kedro(project: Path, project_root: Path, project_environment: dict[str, str]) -> Iterator[Kedro]:
    environment = project_environment | {"PYTHONPATH": f"{project_root / 'src'}:{project / 'src'}"}
    with kedro_commands(project, environment) as run:
        yield run


def refused(done: tuple[object, str]) -> str:
    code, shown = done
    assert code in {1, 2}, shown
    assert "Traceback" not in shown
    assert len(shown.strip().splitlines()) <= 10, shown
    return shown


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--nodes=produce_numbr", "--nodes: node 'produce_numbr' is unknown: did you mean 'produce_number'? Allowed: "),
        ("--from-nodes=x", "--from-nodes: node 'x' is unknown. Allowed: increase_number, produce_number"),
        ("--to-nodes=x", "--to-nodes: node 'x' is unknown"),
        ("--pipelines=use --nodes=produce_number", "belongs to the pipeline make: add --pipelines=make"),
        ("--tags=x", "--tags: tag 'x' is unknown: there is none"),
        ("--namespaces=x", "--namespaces: namespace 'x' is unknown: there is none"),
        ("--from-inputs=numbr", "--from-inputs: dataset 'numbr' is unknown: did you mean 'number'?"),
        ("--to-outputs=seed", "--to-outputs: dataset 'seed' is unknown. Allowed: metrics, number"),
        ("--async", "--async cannot be used"),
        ("--runner=Sequential", "runner 'Sequential' is unknown: did you mean 'SequentialRunner'?"),
        ("--runner=nowhere.Runner", "runner 'nowhere.Runner' is unknown"),
        ("--env=locl", "environment 'locl' is unknown: "),
        ("--conf-source=/nowhere", "'/nowhere' does not exist"),
        ("--config=/nowhere", "'/nowhere' does not exist"),
        ("--load-versions=a", "dataset_name:"),
        ("--pipelines=mke", "pipeline 'mke' is unknown: did you mean 'make'?"),
        ("--from-nodes=increase_number --to-nodes=produce_number", "give options that at least one node fits"),
        ("--params=a.csv", r"'a.csv' is no key=value. A comma inside a value is written `\,`"),
        ("--params=make.number=1,b", "'b' is no key=value"),
        ("--params=make.number=${x}", "Interpolation key 'x' not found"),
        ("--params=make.number=x", "parameter 'make.number' = 'x'"),
        ("--params==1", "is no key=value"),
        ("--unknown", "No such option"),
    ],
)
def test_what_is_misspelt_is_named(kedro: Kedro, options: str, words: str) -> None:
    assert words in " ".join(refused(kedro("run", *options.split())).split())


def test_an_error_that_nobody_foresaw_names_node_and_log_and_is_shown_on_demand(kedro: Kedro, project: Path) -> None:
    shown = refused(kedro("run", "--pipelines=make", "--params=make.fail=true"))
    assert "The run stopped: KeyError\n  'absent'\n  node: produce_number\n" in shown
    assert "data/last_error.log" in shown
    assert "CU_PIPELINE_VERBOSE=1" in shown
    assert "in produce\n" in (project / "data" / "last_error.log").read_text()
    for arguments, variables in ((["--verbose"], {}), ([], {"CU_PIPELINE_VERBOSE": "1"})):
        code, shown = kedro("run", "--pipelines=make", "--params=make.fail=true", *arguments, **variables)
        assert code == "raised"
        assert "Traceback" in shown
        assert "in produce\n" in shown


@pytest.mark.parametrize(
    ("params", "note"),
    [
        ("make.note=21", "21"),
        ("make.note=1e3,make.number=5", "1e3"),
        ("make.note=true", "true"),
        (r"make.note=/a\,b.csv", "/a,b.csv"),
        ('make.note=it\'s "q" = $HOME {X}', 'it\'s "q" = $HOME {X}'),
        ("make.note=[open", "[open"),
    ],
)
def test_a_parameter_that_is_a_text_takes_what_is_typed(kedro: Kedro, project: Path, params: str, note: str) -> None:
    code, shown = kedro("run", "--pipelines=make", "--params", params)
    assert code == 0, shown
    assert json.loads((project / "data" / "number.json").read_text())["note"] == note
    assert params_file.read(project)["make"]["note"] == note


def test_a_later_run_has_the_texts_of_its_own(kedro: Kedro, project: Path) -> None:
    assert kedro("run", "--pipelines=make", "--params=make.note=7")[0] == 0
    assert kedro("run", "--pipelines=make")[0] == 0
    assert json.loads((project / "data" / "number.json").read_text())["note"] == ""


def test_a_pipeline_without_its_input_says_what_must_run_before(kedro: Kedro, project: Path) -> None:
    (project / "data" / "number.json").unlink(missing_ok=True)
    shown = refused(kedro("run", "--pipelines=use"))
    assert "number (make)" in shown
    assert "kedro run --pipelines=make,use" in shown


@pytest.mark.parametrize("command", ["run", "snapshots"])
def test_an_unresolved_merge_in_dvc_lock_stops_every_command_that_reads_it(
    kedro: Kedro, project: Path, command: str
) -> None:
    (project / "dvc.lock").write_text("schema: '2.0'\n<<<<<<< HEAD\nstages: {}\n=======\n>>>>>>> x\n")
    shown = refused(kedro(command))
    (project / "dvc.lock").unlink()
    assert "dvc.lock has an unresolved merge in line 2" in shown
    assert "git checkout --ours dvc.lock" in shown


@pytest.mark.parametrize("command", ["run", "dvc-yaml"])
def test_an_unresolved_merge_in_conf_stops_every_command_that_reads_it(
    kedro: Kedro, project: Path, command: str
) -> None:
    path = project / "conf" / "base" / "parameters.yml"
    before = path.read_text()
    path.write_text(f"<<<<<<< HEAD\n{before}=======\nseed: 9\n>>>>>>> x\n")
    shown = refused(kedro(*command.split()))
    path.write_text(before)
    assert "conf/base/parameters.yml has an unresolved merge in line 1" in shown


def test_a_database_of_mlflow_that_is_garbage_stops_the_run_in_words(kedro: Kedro, project: Path) -> None:
    (project / "garbage.db").write_bytes(b"garbage" * 999)
    shown = refused(kedro("run", "--pipelines=make", MLFLOW_TRACKING_URI=f"sqlite:///{project}/garbage.db"))
    assert f"MLflow cannot use sqlite:///{project}/garbage.db" in shown
    assert "move it away" in shown


def test_without_git_the_run_says_why_dvc_did_not_record_it(kedro: Kedro, project: Path) -> None:
    assert kedro("dvc-yaml")[0] == 0
    shutil.move(project / ".git", project.parent / "git")
    try:
        code, shown = kedro("run", "--pipelines=make", GIT_CEILING_DIRECTORIES=str(project.parent))
    finally:
        shutil.move(project.parent / "git", project / ".git")
    assert code == 0, shown
    assert "DVC did not record this run: " in shown
    assert "is not a git repository" in shown
    assert "Remedy: `git init`, or `dvc config core.no_scm true`" in shown
