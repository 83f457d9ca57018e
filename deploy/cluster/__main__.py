"""Start, stop and show the parts that a team shares, as processes on this machine."""

import argparse
import shutil
import sys
from pathlib import Path

from deploy.cluster.parts import MAKERS, chosen
from deploy.cluster.parts.ray import scratch
from deploy.cluster.processes import Processes
from deploy.cluster.settings import FOLDER, PORTS, ClusterError, Settings


def main(arguments: list[str] | None = None) -> int:
    """Do what is asked; 1 where it cannot be done, or for `status` where a part has ended."""
    parser = argparse.ArgumentParser(prog="python -m deploy.cluster", description=__doc__)
    parser.add_argument("action", choices=["up", "down", "status"])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(MAKERS)}; none: all (up alone)")
    for name, port in PORTS.items():
        parser.add_argument(f"--{name}-port", type=int, metavar="PORT", help=f"as before, or {port}")
    asked = parser.parse_args(arguments)
    if unknown := sorted(set(asked.parts) - set(MAKERS)):
        parser.error(f"part {unknown[0]!r} is unknown: give some of {', '.join(MAKERS)}")
    root = Path.cwd()
    try:
        if asked.action == "up":
            ports = {name: port for name in PORTS if (port := getattr(asked, f"{name}_port"))}
            return _up(root, ports, asked.parts)
        return _down(root) if asked.action == "down" else _status(root)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _up(root: Path, ports: dict[str, int], names: list[str]) -> int:
    settings = Settings.of(root, ports)
    env, processes = settings.write_environment(), Processes(settings.folder)
    for part in chosen(settings, names):
        started = processes.start(part)
        place = f" on 127.0.0.1:{part.port}" if part.port else ""
        print(f"{part.name:14} {'started' if started else 'runs'}{place}", flush=True)
    print(
        f"\nAddresses and passwords are in {env.relative_to(root)}, for you alone. `make run ENV=cluster` uses them; a "
        f"shell takes them by: set -a; . {env.relative_to(root)}; set +a"
    )
    return 0


def _down(root: Path) -> int:
    processes = Processes(root / FOLDER)
    for name in processes.noted():
        ran = processes.stop(name, processes.stop_signal(name))
        print(f"{name:14} {'stopped' if ran else 'had ended'}", flush=True)
    shutil.rmtree(scratch(root / FOLDER), ignore_errors=True)
    print(f"Data and passwords stay in {FOLDER}/")
    return 0


def _status(root: Path) -> int:
    processes = Processes(root / FOLDER)
    names = processes.noted()[::-1]
    if not names:
        print("no part was started: `make cluster-up`")
    ended = 0
    for name in names:
        running = processes.running(name)
        ended += running is None
        told = f"runs as process {running.pid}" if running else f"has ended: see {FOLDER}/{name}.log"
        print(f"{name:14} {told}")
    return min(ended, 1)


if __name__ == "__main__":
    sys.exit(main())
