from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grimp import ImportGraph

_DATA_SUFFIXES = {".j2", ".css", ".json", ".html"}


def code_files(package: str, source: Path, modules: Iterable[str]) -> list[Path]:
    """Give the files that the behaviour of `modules` depends on, inside one package.

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
