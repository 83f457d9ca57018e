"""The pages for people name only what exists."""

import re
from functools import cache
from pathlib import Path

import click
import pytest
import yaml

from cu_pipeline.cli import cli
from cu_pipeline.core.errors import Reason
from cu_pipeline.tracking.project_feed import FEED

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PROMPT = r"(?:^|`|\$ )(?:\.venv/bin/)?"
MISSED_COMMANDS = {"mlflow"}  # of a plugin that is not used; decision 1 says so
SAMPLE_OPTIONS = "collect.sample"


def page_id(page):
    return page.relative_to(ROOT).as_posix()


each_page = pytest.mark.parametrize("page", PAGES, ids=page_id)


def text_without_code(page):
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(page):
    """Give the anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", text_without_code(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", text_without_code(page)):
        if re.match(r"[a-z]+:", link):
            continue
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            yield link


@cache
def make_targets():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))


def kedro_commands():
    inner = {f"{group} {name}" for group, found in cli.commands.items() for name in getattr(found, "commands", ())}
    return {"registry list", *cli.commands, *inner}


def takes_arguments(name):
    """Tell whether what follows a command is no command."""
    return any(isinstance(one, click.Argument) for one in getattr(cli.commands.get(name), "params", ()))


def pipelines():
    return {path.parent.name for path in (ROOT / "src/cu_pipeline/pipelines").glob("*/__init__.py")}


def flatten(value, prefix=""):
    """Give every path of nested parameters, groups included."""
    if prefix:
        yield prefix
    if isinstance(value, dict):
        for key, item in value.items():
            yield from flatten(item, f"{prefix}.{key}" if prefix else str(key))


@cache
def stated_parameters():
    files = [*sorted((ROOT / "conf/base").glob("parameters*.yml")), ROOT / "conf/gpu/parameters.yml"]
    return {path for file in files for path in flatten(yaml.safe_load(file.read_text(encoding="utf-8")))}


@cache
def sample_parameters():
    from cu_pipeline.sample.options import SampleOptions

    return {f"{SAMPLE_OPTIONS}.{path}" for path in flatten(SampleOptions().model_dump())}


def quoted_parameters(text):
    """Give the paths of `--params` and `PARAMS=`, and those in backticks that begin like a group of parameters."""
    for given in re.findall(r'--params[ =]"?([^"`\s]+)|\bPARAMS="?([^"`\s]+)', text):
        yield from (pair.partition("=")[0] for pair in re.split(r",(?=[a-z_.]+=)", "".join(given)))
    groups = "|".join(sorted({path.split(".")[0] for path in stated_parameters()} - {"capabilities"}))
    yield from re.findall(rf"`((?:{groups})\.[a-z_0-9.]+)(?::[^`]*)?`", text)


@each_page
def test_links_lead_somewhere(page):
    assert list(broken_links(page)) == []


@each_page
def test_make_targets_exist(page):
    named = set(re.findall(PROMPT + r"make ([a-z][a-z-]*)", page.read_text(encoding="utf-8"), re.MULTILINE))
    assert named - make_targets() == set()


@each_page
def test_kedro_commands_and_pipelines_exist(page):
    text = page.read_text(encoding="utf-8")
    found = re.findall(PROMPT + r"kedro ([a-z][a-z-]*)( [a-z][a-z-]*)?", text, re.MULTILINE)
    named = {name if takes_arguments(name) else name + inner for name, inner in found}
    assert named - kedro_commands() - MISSED_COMMANDS == set()
    run = {name for names in re.findall(r"(?:--pipelines|PIPELINES)[= ]([a-z_,]+)", text) for name in names.split(",")}
    assert run - pipelines() == set()


@each_page
def test_parameters_exist(page):
    known = stated_parameters() | sample_parameters() | {FEED}  # which conf leaves to params.yaml
    named = set(quoted_parameters(page.read_text(encoding="utf-8")))
    files = {name for name in named if name.endswith((".yml", ".json", ".py", ".md"))}
    assert named - known - files == set()


@each_page
def test_files_of_the_project_exist(page):
    """Files under data/ are made by runs and are not looked for."""
    named = re.findall(
        r"`((?:conf|src|tests|benchmarks)/[\w./-]+\.(?:yml|py|j2|txt))`", page.read_text(encoding="utf-8")
    )
    local = "conf/local/"
    assert [name for name in named if not name.startswith(local) and not (ROOT / name).exists()] == []


def test_every_reason_of_refusal_is_explained_and_no_other():
    page = (ROOT / "docs/data.md").read_text(encoding="utf-8")
    section = page.split("## Refused rows")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \|$", section, re.MULTILINE)
    assert [reason for reason, *_ in rows] == [reason.value for reason in Reason]


def test_every_page_is_in_the_index():
    index = ROOT / "docs/README.md"
    linked = {
        (index.parent / link).resolve() for link in re.findall(r"\]\(([^)#\s]+)\)", index.read_text(encoding="utf-8"))
    }
    assert {page.resolve() for page in PAGES if page.parent != ROOT and page != index} - linked == set()
