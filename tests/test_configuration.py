"""Every environment of `conf/` gives parameters that the pipelines accept."""

import subprocess
import sys
from pathlib import Path

import pytest

LOAD = """
import sys
from pathlib import Path
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
root = Path.cwd()
bootstrap_project(root)
with KedroSession.create(root, env=sys.argv[1], save_on_close=False) as session:
    context = session.load_context()
    assert context.params
    assert list(context.catalog)
"""


@pytest.mark.parametrize("env", ["base", "ci", "gpu", "cluster"])
def test_the_environment_loads(env: str, project_root: Path, project_environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOAD, env],
        cwd=project_root,
        env=project_environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
