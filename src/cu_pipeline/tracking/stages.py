"""What DVC sees of the pipelines: one stage each, with the files that its behaviour depends on."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from cu_pipeline.tracking.parameter_trees import outermost

if TYPE_CHECKING:
    from grimp import ImportGraph

_PREFIX = "params:"


@dataclass(frozen=True)
class Stage:
    """One registered pipeline as DVC sees it.

    Attributes:
        name: of the pipeline.
        inputs: datasets that some node reads.
        outputs: datasets that some node writes.
        parameters: what some node reads of them, dotted where that is a part of a group.
        all_parameters: whether a node reads all of them at once.
        modules: full names of the modules behind its nodes and of its wiring.
    """

    name: str
    inputs: frozenset[str]
    outputs: frozenset[str]
    parameters: frozenset[str]
    all_parameters: bool
    modules: frozenset[str]


def project_stages(metadata: Any, env: str) -> tuple[Stage, ...]:
    """List the registered pipelines of a bootstrapped Kedro project that are part of `__default__`.

    The others run on demand, so `dvc repro` leaves them alone.
    """
    from kedro.inspection import get_project_snapshot

    snapshot = get_project_snapshot(metadata=metadata, env=env)
    lifecycle = {node.name for found in snapshot.pipelines if found.name == "__default__" for node in found.nodes}
    source = PurePosixPath(metadata.source_dir.relative_to(metadata.project_path).as_posix())
    return tuple(
        _stage(pipeline, source, f"{metadata.package_name}.pipelines.{pipeline.name}")
        for pipeline in snapshot.pipelines
        if pipeline.name != "__default__" and pipeline.nodes and {node.name for node in pipeline.nodes} <= lifecycle
    )


def _stage(pipeline: Any, source: PurePosixPath, package: str) -> Stage:
    read = {name.split("@")[0] for node in pipeline.nodes for name in node.inputs}
    written = {name.split("@")[0] for node in pipeline.nodes for name in node.outputs}
    parameters = {name.removeprefix(_PREFIX) for name in read if name.startswith(_PREFIX)}
    modules = {_module(node.source.filepath, source) for node in pipeline.nodes if node.source}
    return Stage(
        name=pipeline.name,
        inputs=frozenset(name for name in read if not name.startswith(_PREFIX) and name != "parameters"),
        outputs=frozenset(written),
        parameters=frozenset(outermost(parameters)),
        all_parameters="parameters" in read,
        modules=frozenset(modules | {package, f"{package}.nodes", f"{package}.pipeline"}),
    )


def _module(filepath: str, source: PurePosixPath) -> str:
    return ".".join(PurePosixPath(filepath).relative_to(source).with_suffix("").parts)


_DATA_SUFFIXES = {".j2", ".css", ".json", ".html"}


def code_files(package: str, source: Path, modules: Iterable[str]) -> list[Path]:
    """List the files that the behaviour of `modules` depends on, inside one package.

    These are the modules themselves, all that they import directly or indirectly, and the templates and other
    data that lie beside those. Empty files are left out.

    Args:
        package: the importable top-level package.
        source: the folder that holds the package's folder.
        modules: full names; those outside the package are ignored.

    Returns:
        Files in order of their paths.
    """
    graph = _graph(package)
    wanted = {module for module in modules if module in graph.modules}
    for module in tuple(wanted):
        wanted |= graph.find_upstream_modules(module)
    files = {_file(source, module) for module in wanted}
    beside = {data for file in files for data in file.parent.iterdir() if data.suffix in _DATA_SUFFIXES}
    return sorted(file for file in files | beside if file.is_file() and file.stat().st_size)


@cache
def _graph(package: str) -> "ImportGraph | Any":
    import grimp

    return grimp.build_graph(package, cache_dir=None)


def _file(source: Path, module: str) -> Path:
    stem = source.joinpath(*module.split("."))
    return stem / "__init__.py" if stem.is_dir() else stem.with_suffix(".py")
