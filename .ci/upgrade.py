"""Solves constraints.txt anew: the newest versions that fit pyproject.toml's ranges, of all packages or of some.

`make upgrade [PACKAGE="mlflow bentoml"]` calls it, then locks the image and runs the tests. Nothing is installed here.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

EXTRAS = ("dev", "labelstudio", "notebook")  # Kedro-Viz has an environment of its own, GPUs their machine
ACCELERATOR = ("nvidia-", "cuda-", "triton")  # torch's build for GPUs asks for them; the one for CPUs has none


def main() -> None:
    """Parse the command line and solve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packages", nargs="*", help="raise these alone, and what they ask for")
    parser.add_argument("--dry-run", action="store_true", help="say what would change, and write nothing")
    given = parser.parse_args()
    file = Path("constraints.txt")
    header, before = parsed(file.read_text(encoding="utf-8"))
    after = solved(before, given.packages)
    changes = list(told(before, after))
    sys.stdout.write("\n".join([*(changes or ["nothing newer fits pyproject.toml"]), ""]))
    if changes and not given.dry_run:
        file.write_text(
            "\n".join([*header, *(f"{name}=={version}" for name, version in after.items())]) + "\n", "utf-8"
        )


def parsed(text: str) -> tuple[list[str], dict[str, str]]:
    """The comments of a file of constraints, and package -> version."""
    lines = text.splitlines()
    pins = [line.partition("==") for line in lines if "==" in line and not line.startswith("#")]
    return [line for line in lines if line.startswith("#")], {name: version for name, _, version in pins}


def solved(before: dict[str, str], packages: Iterable[str]) -> dict[str, str]:
    """Package -> version of a solution, with the spelling that packages had."""
    how = [f"--upgrade-package={name}" for name in packages] or ["--upgrade"]
    extras = [f"--extra={name}" for name in EXTRAS]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "constraints.txt"
        file.write_text("\n".join(f"{name}=={version}" for name, version in before.items()) + "\n", encoding="utf-8")
        fixed = ["--python-version=3.11", "--python-platform=x86_64-unknown-linux-gnu", "--no-header", "--no-annotate"]
        uv = Path(sys.executable).with_name("uv")
        done = subprocess.run(
            [uv, "pip", "compile", "--quiet", "pyproject.toml", *extras, *fixed, *how, "-o", file],
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            sys.exit(f"no solution, and constraints.txt is as it was:\n{done.stderr.strip()}")
        _, found = parsed(file.read_text(encoding="utf-8"))
    return merged(before, found)


def merged(before: dict[str, str], found: dict[str, str]) -> dict[str, str]:
    """A solution in the spelling of before, without what only GPUs need, and without torch's local version.

    A package that the solution does not name stays: another platform or Python may ask for it.
    """
    spelling = {canonical(name): name for name in before}
    new = {
        spelling.get(canonical(name), name): version.partition("+")[0]
        for name, version in found.items()
        if canonical(name) in spelling or not name.startswith(ACCELERATOR)
    }
    return dict(sorted((before | new).items(), key=lambda pair: pair[0].lower()))


def canonical(name: str) -> str:
    """A package's name as indexes compare it (PEP 503).

    >>> canonical("Flufl.Lock_X")
    'flufl-lock-x'
    """
    return name.lower().replace("_", "-").replace(".", "-")


def told(before: dict[str, str], after: dict[str, str]) -> Iterable[str]:
    """A line for each package that changes."""
    for name in sorted(before.keys() | after.keys(), key=str.lower):
        if before.get(name) != after.get(name):
            yield f"{name}: {before.get(name, 'not there')} -> {after.get(name, 'gone')}"


if __name__ == "__main__":
    main()
