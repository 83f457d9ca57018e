"""Kedro's command line in one process that takes many commands."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

Kedro = Callable[..., tuple[object, str]]
"""Takes the words of a command, and as keywords variables of the environment; gives exit code and what was shown."""

_PROGRAM = Path(__file__).parents[1] / "cli" / "commands.py"


@contextmanager
def kedro_commands(project: Path, environment: Mapping[str, str]) -> Iterator[Kedro]:
    """Let commands be given in a project while the block runs."""
    server = subprocess.Popen(
        [sys.executable, str(_PROGRAM)],
        cwd=project, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert server.stdin is not None
    assert server.stdout is not None

    def run(*arguments: str, **variables: str) -> tuple[object, str]:
        print(json.dumps({"arguments": arguments, "environment": variables}), file=server.stdin, flush=True)
        answer = json.loads(server.stdout.readline())
        return answer["code"], answer["shown"]

    yield run
    server.communicate()
