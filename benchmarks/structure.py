"""Measures how the source is cut: lines, files, importers, inputs of nodes, reach, names.

    python benchmarks/structure.py [--root CHECKOUT]

It needs the project's own environment (grimp, Kedro), and imports the checkout that it measures.
"""

import argparse
import ast
import os
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PACKAGE = "cu_pipeline"
REACH = {
    "certifies": ("labeling.guarantee.outcome", "labeling.promise.keep"),
    "trains": ("models.training", "training.train"),
}
"""Where the work of a node lies, now and in older checkouts: the first that is there counts."""

USUAL = {"__init__", "nodes", "pipeline", "options"}
"""Names that modules of several packages may have."""


def main() -> None:
    """Print one line a figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[1], help="the checkout to measure")
    root = parser.parse_args().root.resolve()
    os.chdir(root)
    sys.path.insert(0, str(root / "src"))
    for name, value in [*sizes(root), *imports(), *inputs(root), *names(root)]:
        print(f"{name:<58} {value}")


def sizes(root: Path) -> Iterator[tuple[str, Any]]:
    """Count lines and files, and give the lengths of files that are not empty."""
    lengths = [len(path.read_text(encoding="utf-8").splitlines()) for path in sources(root)]
    filled = sorted(length for length in lengths if length)
    lines = sum(filled)
    shares = f"{1000 * len(lengths) / lines:.1f}, {1000 * len(filled) / lines:.1f}"
    middle, high = statistics.median(filled), filled[int(0.95 * len(filled))]
    yield "source lines", f"{lines:,}"
    yield "files, and those not empty", f"{len(lengths)}, {len(filled)}"
    yield "files per 1000 lines, and those not empty", shares
    yield "lines of a file: median, 95th percentile, most", f"{middle:.0f}, {high}, {filled[-1]}"


def imports() -> Iterator[tuple[str, Any]]:
    """Count modules with one importer, and the modules that a node's work reaches inside the package."""
    import grimp

    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    importers = Counter(len(graph.find_modules_that_directly_import(module)) for module in graph.modules)
    yield "modules with exactly one importer", importers[1]
    for purpose, names in REACH.items():
        found = next((name for name in names if f"{PACKAGE}.{name}" in graph.modules), None)
        reached = len(graph.find_upstream_modules(f"{PACKAGE}.{found}")) if found else "none of"
        yield f"modules reached from what {purpose}", f"{reached} ({found or ', '.join(names)})"


def inputs(root: Path) -> Iterator[tuple[str, Any]]:
    """Find the nodes of the registered pipelines with the most inputs."""
    from kedro.framework.project import pipelines
    from kedro.framework.startup import bootstrap_project

    bootstrap_project(root)
    nodes = {node.name: len(node.inputs) for pipeline in pipelines.values() for node in pipeline.nodes}
    most = max(nodes.values())
    yield "most inputs of a node", f"{most} ({', '.join(sorted(name for name in nodes if nodes[name] == most))})"
    yield "nodes, and those with more than 6 inputs", f"{len(nodes)}, {sum(count > 6 for count in nodes.values())}"


def names(root: Path) -> Iterator[tuple[str, Any]]:
    """Count docstrings that begin alike, and names that several packages use."""
    docstrings: list[str] = []
    modules: dict[str, set[str]] = defaultdict(set)
    classes: dict[str, set[str]] = defaultdict(set)
    for path in sources(root):
        package = path.parent.relative_to(root / "src").as_posix()
        modules[path.stem].add(package)
        for item in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(item, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                docstrings += [text] if (text := ast.get_docstring(item)) else []
            if isinstance(item, ast.ClassDef) and not item.name.startswith("_"):
                classes[item.name].add(package)
    give = sum(text.startswith("Give") for text in docstrings)
    yield 'docstrings, and the share that begins with "Give"', f"{len(docstrings)}, {give / len(docstrings):.0%}"
    yield "names of modules in several packages", _shared(modules, USUAL)
    yield "names of classes in several packages", _shared(classes, set())


def sources(root: Path) -> list[Path]:
    """List the package's files."""
    return sorted((root / "src" / PACKAGE).rglob("*.py"))


def _shared(places: dict[str, set[str]], usual: set[str]) -> str:
    found = sorted(name for name, packages in places.items() if len(packages) > 1 and name not in usual)
    return f"{len(found)} ({', '.join(found)})"


if __name__ == "__main__":
    main()
