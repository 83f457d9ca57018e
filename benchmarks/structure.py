"""Measures how the source is cut: lines, files, importers, inputs of nodes, reach, names.

    python benchmarks/structure.py [--root CHECKOUT] [--certify MODULE …] [--train MODULE …]

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
CERTIFY = ("labeling.guarantee.certification", "labeling.guarantee.certify", "labeling.promise.keep")
TRAIN = ("models.training", "models.fitting", "models.train", "training.train")


def main() -> None:
    """Print one line a figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[1], help="the checkout to measure")
    parser.add_argument("--certify", nargs="+", default=CERTIFY, help="where the work of the node lies; first that is")
    parser.add_argument("--train", nargs="+", default=TRAIN, help="where the work of the node lies; first that is")
    options = parser.parse_args()
    root = options.root.resolve()
    os.chdir(root)
    sys.path.insert(0, str(root / "src"))
    for name, value in [*sizes(root), *imports(options), *inputs(root), *names(root)]:
        print(f"{name:<58} {value}")


def sizes(root: Path) -> Iterator[tuple[str, Any]]:
    """Count lines and files, and give the lengths of files that are not empty."""
    lengths = [len(path.read_text(encoding="utf-8").splitlines()) for path in sources(root)]
    filled = sorted(length for length in lengths if length)
    lines = sum(filled)
    yield "source lines", f"{lines:,}"
    yield "files, and those not empty", f"{len(lengths)}, {len(filled)}"
    yield (
        "files per 1000 lines, and those not empty",
        f"{1000 * len(lengths) / lines:.1f}, {1000 * len(filled) / lines:.1f}",
    )
    yield (
        "lines of a file: median, 95th percentile, most",
        (f"{statistics.median(filled):.0f}, {filled[int(0.95 * len(filled))]}, {filled[-1]}"),
    )


def imports(options: argparse.Namespace) -> Iterator[tuple[str, Any]]:
    """Count modules with one importer, and the modules that a node's work reaches inside the package."""
    import grimp

    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    importers = Counter(len(graph.find_modules_that_directly_import(module)) for module in graph.modules)
    yield "modules with exactly one importer", importers[1]
    for purpose, given in (("certifies", options.certify), ("trains", options.train)):
        found = [
            module for name in given if (module := f"{PACKAGE}.{name.removeprefix(f'{PACKAGE}.')}") in graph.modules
        ]
        reached = f"{len(graph.find_upstream_modules(found[0]))} ({found[0]})" if found else f"none of {list(given)}"
        yield f"modules reached from what {purpose}", reached


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
    yield "names of modules in several packages", _shared(modules, {"__init__", "nodes", "pipeline", "options"})
    yield "names of classes in several packages", _shared(classes, set())


def sources(root: Path) -> list[Path]:
    """List the package's files."""
    return sorted((root / "src" / PACKAGE).rglob("*.py"))


def _shared(places: dict[str, set[str]], usual: set[str]) -> str:
    found = sorted(name for name, packages in places.items() if len(packages) > 1 and name not in usual)
    return f"{len(found)} ({', '.join(found)})"


if __name__ == "__main__":
    main()
