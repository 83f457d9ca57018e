"""Every command that a page shows can be typed as it stands: the program, its subcommand and options exist."""

import contextlib
import io
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest

from cu_pipeline.service.api.clips import ClipFields

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))]
EXAMPLE_FILES = ("clips.csv", "clips/manifest.csv", "clip.mp4", "tasks.json", "export.json", "feed.sql")
BUILTINS = {"source", ".", "cd", "set", "test", "echo", "exit"}
IN_ENVIRONMENT = {"kedro", "dvc", "mlflow", "bentoml", "python", "pip", "pytest", "cu-pipeline"}
GIT = {"add", "checkout", "commit", "diff", "pull", "push"}
SERVICE_FIELDS = {"video", "clips", "a", *ClipFields.model_fields}
"""Fields of a clip, and those of the batch on the page."""

Args = Sequence[str]


@cache
def kedro_cli() -> click.Group:
    from kedro.framework.cli.cli import KedroCLI

    return KedroCLI(project_path=ROOT)


def check_click(group: click.Command, name: str, args: Args) -> None:
    """Parse down to the last subcommand, and run nothing."""
    context = click.Context(group, info_name=name)
    command, rest = group, list(args)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.get_command(context, rest[0])
        if found is None:
            raise click.UsageError(f"{command.name} has no command {rest[0]!r}")
        command, rest = found, rest[1:]
        context = click.Context(command, info_name=command.name, parent=context)
    if command.context_settings.get("ignore_unknown_options"):
        return  # it hands its options on
    with command.make_context(str(command.name), rest, parent=context):
        pass


def check_kedro(args: Args) -> None:
    check_click(kedro_cli(), "kedro", args)


@cache
def bentoml_help(command: str) -> str:
    """Ask in a process of its own: in this one the service may have set BentoML up for itself."""
    tool = Path(sys.executable).with_name("bentoml")
    done = subprocess.run([tool, command, "--help"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise click.UsageError(f"bentoml {command}: {done.stderr[-300:]}")
    return done.stdout


def check_bentoml(args: Args) -> None:
    options = {word for word in args[1:] if word.startswith("--")}
    if unknown := options - set(re.findall(r"--[a-z-]+", bentoml_help(args[0]))):
        raise click.UsageError(f"bentoml {args[0]} has no option {sorted(unknown)}")


def check_dvc(args: Args) -> None:
    from dvc.cli.parser import get_main_parser

    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        try:
            get_main_parser().parse_args(list(args))
        except SystemExit as end:
            raise click.UsageError(said.getvalue()) from end


@cache
def make_help() -> dict[str, str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z-]+):.*## (.*)$", text, re.MULTILINE))


def check_make(args: Args) -> None:
    """The target is in `make help`, its settings are named there, and what `make run` calls is a command of Kedro."""
    target = args[0] if args else "help"
    if target not in make_help():
        raise click.UsageError(f"make help names no target {target!r}")
    if unknown := {one.partition("=")[0] for one in args[1:]} - set(re.findall(r"\[(\w+)=", make_help()[target])):
        raise click.UsageError(f"make help names no {sorted(unknown)} for {target!r}")
    if target == "run":
        done = subprocess.run(
            ["make", "--no-print-directory", "-n", "-o", ".venv/.installed", *args],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        check_kedro(shlex.split(done.stdout.strip().splitlines()[-1])[1:])


def check_git(args: Args) -> None:
    if args[0] not in GIT:
        raise click.UsageError(f"git {args[0]} is not among {sorted(GIT)}")


def check_curl(args: Args) -> None:
    """Fields and routes are the service's."""
    routes = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src/cu_pipeline/service/api").glob("*.py"))
    address = next(word for word in args if re.match(r"(?:https?://)?(?:localhost|127\.0\.0\.1):\d+/", word))
    route = address.rpartition("/")[2]
    if f'"/{route}"' not in routes:
        raise click.UsageError(f"the service has no route {route!r}")
    named = {args[i + 1].partition("=")[0] for i, word in enumerate(args) if word == "-F"}
    if not named <= SERVICE_FIELDS:
        raise click.UsageError(f"the service takes no fields {sorted(named - SERVICE_FIELDS)}")


@cache
def known_variables() -> set[str]:
    files = [*ROOT.glob("src/cu_pipeline/**/*.py"), *ROOT.glob("conf/base/*.yml"), *ROOT.glob("docs/*.md")]
    found = {word for file in files for word in re.findall(r"[A-Z][A-Z0-9_]{5,}", file.read_text(encoding="utf-8"))}
    return found | {"BENTOML_HOME"}


def check_export(args: Args) -> None:
    """Somebody reads the variable: the code, or a page that says where its name stands."""
    if unknown := {word.partition("=")[0] for word in args} - known_variables():
        raise click.UsageError(f"nobody reads {sorted(unknown)}")


def check_python(args: Args) -> None:
    if args[0] == "-c":
        compile(args[1], "-c", "exec")
    elif args[:2] == ["-m", "pip"]:
        check_pip(args[2:])
    elif args[0] != "-m":
        assert (ROOT / args[0]).is_file(), f"{args[0]} is not there"


def check_pip(args: Args) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for word in args:
        named = set(re.sub(r"^\.\[(.*)\]$", r"\1", word).split(",")) if word.startswith(".[") else set()
        if unknown := named - set(extras):
            raise click.UsageError(f"there is no extra {sorted(unknown)}")


def check_nothing(_: Args) -> None:
    """The shell's own."""


def check_airflow(args: Args) -> None:
    """What the DAG itself reads, in an environment that is Airflow's own."""
    dag = (ROOT / "deploy/airflow/cu_pipeline_iterate.py").read_text(encoding="utf-8")
    assert args[:2] in (["variables", "set"], ["dags", "test"])
    assert args[2] in dag


CHECKS: dict[str, Callable[[Args], Any]] = {
    "airflow": check_airflow,
    "bentoml": check_bentoml,
    "curl": check_curl,
    "dvc": check_dvc,
    "export": check_export,
    "git": check_git,
    "kedro": check_kedro,
    "make": check_make,
    "pip": check_pip,
    "python": check_python,
} | dict.fromkeys(BUILTINS, check_nothing)


def faults(commands: list[Any]) -> Iterator[str]:
    """Say which commands of a page cannot be typed in a fresh shell, in this order."""
    active = False
    for command in commands:
        for program, *args in command.parts:
            if (program, *args[:1]) in {("source", ".venv/bin/activate"), (".", ".venv/bin/activate")}:
                active = True
            name = re.sub(r"^(python)[\d.]*$", r"\1", Path(program).name) if program != "." else program
            if name in IN_ENVIRONMENT and program == name and not active:
                yield f"{command.text}: the page does not say before that .venv is to be activated"
            if name not in CHECKS:
                yield f"{command.text}: no check for {name!r}. Add one, or show another command"
                continue
            try:
                CHECKS[name](args)
            except Exception as fault:
                yield f"{command.text}: {getattr(fault, 'message', None) or fault!r}"


@pytest.fixture
def _example_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work where the files are that examples name."""
    for name in EXAMPLE_FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_example_files")
@pytest.mark.parametrize("page", PAGES)
def test_commands_can_be_typed_as_they_stand(page: str, page_commands: dict[str, list[Any]]) -> None:
    assert list(faults(page_commands.get(page, []))) == []


def test_pages_have_no_block_whose_language_hides_commands() -> None:
    """A block without a language, or of another one, would not be looked at."""
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        for language, block in re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            if language not in {"bash", "console", "sh"}:
                assert not re.search(r"^(?:\$ )?(?:kedro|make|dvc|bentoml|pip) [a-z]", block, re.MULTILINE), block


@pytest.mark.usefixtures("_example_files")
@pytest.mark.parametrize(
    "typed",
    [
        "kedro rnu",
        "kedro run --pipelinez=train",
        "make rnu",
        "make serve PROT=1",
        "dvc pusch",
        "curl -F film=@x localhost:3000/classify",
        "curl -F video=@x localhost:3000/clasify",
        "export CU_PIPELINE_NO_SUCH=1",
        "pip install -e '.[gpus]'",
        "frobnicate",
    ],
)
def test_what_does_not_exist_is_found(typed: str, parse: Callable[[str], Any]) -> None:
    assert list(faults([parse("source .venv/bin/activate"), parse(typed)]))


def test_a_command_of_the_environment_needs_its_activation_before(parse: Callable[[str], Any]) -> None:
    assert list(faults([parse("kedro snapshots")])) != []
    assert list(faults([parse("source .venv/bin/activate"), parse("kedro snapshots")])) == []
