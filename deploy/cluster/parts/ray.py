"""A Ray head and two workers, nodes of their own on this machine; each may compute on one core."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from deploy.cluster.processes import Part, connects
from deploy.cluster.settings import HOST, ClusterError, Settings

WORKERS = 2
STORE_BYTES = 200 * 2**20


def parts(settings: Settings) -> Iterator[Part]:
    """Make the parts of the head, which computes nothing itself, and of its workers."""
    if find_spec("ray") is None:
        raise ClusterError("there is no Ray here. Remedy: `pip install -c constraints.txt -e '.[ray]'`")
    program, port = str(Path(sys.executable).parent / "ray"), settings.ports["ray"]
    start = [sys.executable, Path(__file__).parents[1] / "ray_node.py", "start"]
    node = [
        "--node-ip-address", HOST, "--object-store-memory", str(STORE_BYTES), "--disable-usage-stats", "--block",
    ]  # fmt: skip
    environment = settings.ray_environment() | {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ADDRESS": ""}
    environment["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "1"  # nodes: without it a worker refuses to start
    yield Part(
        name="ray",
        port=port,
        command=[
            *start, "--head", "--port", str(port), "--num-cpus", "0", "--include-dashboard", "false",
            "--temp-dir", scratch(settings.folder), *node,
        ],
        answers=lambda: connects(port) and _nodes(program, settings) >= 1,
        environment=environment,
        prepare=lambda: scratch(settings.folder).mkdir(mode=0o700, exist_ok=True),
    )  # fmt: skip
    for number in range(1, WORKERS + 1):
        yield Part(
            name=f"ray-worker-{number}",
            port=0,
            command=[*start, "--address", settings.address("ray"), "--num-cpus", "1", *node],
            answers=lambda wanted=number + 1: _nodes(program, settings) >= wanted,
            environment=environment | settings.storage_environment(),  # encoders store features by themselves
        )


def scratch(folder: Path) -> Path:
    """Where the sockets and logs lie of a cluster in a folder: names of sockets must be short, a path need not be."""
    return Path(tempfile.gettempdir()) / f"ray-{sha256(str(folder.resolve()).encode()).hexdigest()[:10]}"


def _nodes(program: str, settings: Settings) -> int:
    """Count the nodes that the head knows to be alive."""
    command = [program, "status", "--address", settings.address("ray")]
    environment = os.environ | settings.ray_environment()
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)
    active = done.stdout.partition("Active:")[2].partition("Pending:")[0]
    return sum(line.strip().startswith("1 node_") for line in active.splitlines())
