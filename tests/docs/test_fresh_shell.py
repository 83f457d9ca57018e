"""Commands of the pages, run as they stand: a fresh shell in a new checkout, one page after the other."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/start.md", "docs/automation.md", "docs/data.md", "docs/labels.md", "docs/models.md",
         "docs/monitoring.md", "docs/serving.md")  # fmt: skip
"""The pages that a newcomer reads, in this order."""

SMALL = {
    "collect": {"sample": {"clips": 40}, "split": {"train": 0.4, "validation": 0.2, "test": 0.4}},
    "label": {"llm": {"enabled": False}},
    "train": {"family": "linear"},
    "evaluate": {
        "gate": {"force": ["topic", "safety"]}
    },  # so few test clips show no model to be better than the majority
    "deliver": {"replay_clips": 5},
    "compute": {"workers": 1},
}
NOT_RUN = {
    r"(make|kedro) run( |$)(?!.*PIPELINES)(?!.*pipelines)": "a whole run; the project here was made by one",
    r"(make|kedro) run .*pipelines[= ](prompts|label)\b": "asks a language model for minutes",
    r"make (test|install-\w+|label-studio)": "installs from a package index, or runs all tests",
    r"dvc (repro|pull|push)": "a whole run again; or needs a remote with data",
    r"kedro (ipython|jupyter|llm-server)": "waits for a person",
    r"kedro labels (push|pull)": "needs Label Studio",
    r"kedro stores (push|pull)": "needs a place that is shared",
    r"kedro snapshots diff": "needs two versions of the data",
    r'CU_PIPELINE_ROOT="\$PWD" bentoml serve': "make serve is started, on the same port",
    r"dvc checkout data": "stands behind git checkout REVISION",
    r"(cd|set|test|git) |\. \./": "part of a script, or changes git's state",
}
"""What is only parsed, and why. All else is run; commands that tell what they need are left out too."""
SERVERS = {"make serve": 3000, "make ui": 5000}


def runnable(command: Any) -> bool:
    return not command.reason and not any(re.match(one, command.text) for one in NOT_RUN)


def port_taken(port: int, seconds: float = 30) -> bool:
    """Whether somebody listens there, and does not end within some seconds as the server of the page before does."""
    for _ in range(int(seconds * 2)):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return False
        time.sleep(0.5)
    return True


def script(commands: list[Any]) -> str:
    """Write what a reader types; a server gets a terminal of its own and is ended with the shell."""
    lines = [
        'make() { command make -o .venv/.installed -o .venv/.installed-dev "$@"; }',  # it is installed already
        "set -m",  # each server is a group of processes, which ends as a whole
        "trap 'for job in $(jobs -p); do kill -- -$job; done 2>/dev/null; wait' EXIT",
    ]
    for command in commands:
        if port := SERVERS.get(command.text):
            lines.append(f"make {command.text.split()[1]} > server-{port}.log 2>&1 &")
            wait = f"for i in $(seq 240); do (exec 3<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null && break; sleep 0.5; done"
            lines += [wait, "sleep 5"]
        else:
            lines.append(f"{command.text} || {{ echo 'FAILED: a command of the page'; exit 1; }}")
        lines[-1] = f"echo {json.dumps('$ ' + command.parts[0][0])}; {lines[-1]}"
    return "\n".join(lines)


def fresh_shell(folder: Path, typed: str, seconds: float = 900) -> subprocess.CompletedProcess[str]:
    """Run it with nothing of this process's environment but where code and certificates are."""
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "PYTHONPATH": str(folder / "src")}
    environment |= {"OMP_NUM_THREADS": "1", "LANG": os.environ.get("LANG", "C.UTF-8")}
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-c", typed],
        cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        timeout=seconds,
    )  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, project_environment: dict[str, str]) -> Path:
    """A checkout with a small feed and the installed environment, after `make run`."""
    if not os.environ.get("CU_PIPELINE_PAGES"):
        pytest.skip("takes minutes: make test-pages")
    folder = tmp_path_factory.mktemp("fresh") / "project"
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "local")
    for name in ("src", "conf", ".dvc", "notebooks"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for file in (*ROOT.glob("*.*"), ROOT / "Makefile", ROOT / ".telemetry", ROOT / ".gitignore", ROOT / ".dvcignore"):
        if file.is_file() and file.name != ".git":  # in a worktree it is a file, and leads to the repository
            shutil.copy(file, folder / file.name)
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / "conf" / "local").mkdir()
    (folder / "conf" / "local" / "parameters.yml").write_text(yaml.safe_dump(SMALL))
    for name in ("dvc.lock", "snapshots.jsonl"):
        (folder / name).unlink(missing_ok=True)
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-q", "-m", "start"]):
        subprocess.run(["git", *command], cwd=folder, env=project_environment, check=True)
    done = fresh_shell(folder, 'make() { command make -o .venv/.installed "$@"; }\nmake run')
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.copy(next((folder / "data/01_raw/sample").rglob("*.mp4")), folder / "clip.mp4")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_commands_run_in_a_fresh_shell(page: str, project: Path, page_commands: dict[str, list[Any]]) -> None:
    typed = [command for command in page_commands[page] if runnable(command)]
    if busy := [port for text, port in SERVERS.items() if port_taken(port) and text in {one.text for one in typed}]:
        pytest.skip(f"ports {busy} are in use here")
    done = fresh_shell(project, script(typed))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_notebooks_cells_run(project: Path) -> None:
    """With the variables that Kedro gives; IPython itself is an extra."""
    cells = json.loads((project / "notebooks/explore.ipynb").read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    (project / "cells.py").write_text(
        "import matplotlib\nmatplotlib.use('Agg')\n"
        "from pathlib import Path\n"
        "from kedro.framework.session import KedroSession\n"
        "from kedro.framework.startup import bootstrap_project\n"
        f"root = bootstrap_project(Path({str(project)!r})).project_path\n"
        "session = KedroSession.create(root)\n"
        "context = session.load_context()\n"
        f"catalog = context.catalog\n{code}\n"
        "assert answer.labels, answer\n"
        "assert axes.collections\n"
    )
    done = fresh_shell(
        project / "notebooks", f"source ../.venv/bin/activate; PYTHONPATH={project}/src python ../cells.py"
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_reason_not_to_run_is_of_use(page_commands: dict[str, list[Any]]) -> None:
    texts = [command.text for commands in page_commands.values() for command in commands]
    assert [one for one in NOT_RUN if not any(re.match(one, text) for text in texts)] == []


def test_what_is_left_to_run_covers_each_kind_of_command(page_commands: dict[str, list[Any]]) -> None:
    run = {command.text.split()[0] for page in PAGES for command in page_commands[page] if runnable(command)}
    assert {"make", "kedro", "dvc", "curl", "bentoml", "python"} <= run
