"""Runs Kedro's command line in this process, once for each JSON list of arguments that comes in, and tells what came.

A process of its own for each command would cost seconds. Answers are JSON lines: exit code and what was shown.
"""

import io
import json
import logging
import os
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from kedro.framework.cli.cli import KedroCLI


def run(command: KedroCLI, arguments: list[str]) -> tuple[object, str]:
    shown = io.StringIO()
    code: object = 0
    handler = logging.StreamHandler(shown)
    logging.getLogger("cu_pipeline").addHandler(handler)
    with redirect_stdout(shown), redirect_stderr(shown):
        try:
            command.main(args=arguments)
        except SystemExit as end:
            code = end.code
        except BaseException:
            traceback.print_exc(file=shown)
            code = "raised"
    logging.getLogger("cu_pipeline").removeHandler(handler)
    return code, shown.getvalue()


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w")
    commands = KedroCLI(Path.cwd())
    for line in sys.stdin:
        request = json.loads(line)
        os.environ.update(request["environment"])
        code, shown = run(commands, request["arguments"])
        for name in request["environment"]:
            del os.environ[name]
        print(json.dumps({"code": code, "shown": shown}), file=answers, flush=True)
