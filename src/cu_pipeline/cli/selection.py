"""Options of `kedro run` that choose what runs: what is misspelt is named before anything is loaded or run."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from kedro.pipeline import Pipeline
from kedro.utils import load_obj

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.hooks.required_inputs import registered_pipelines

_DEFAULT: Final = "__default__"
_MOST: Final = 20
_RUNNERS: Final = ("SequentialRunner", "ThreadRunner", "ParallelRunner")

_Names = Callable[[Pipeline], Iterable[str]]


def _node_names(pipeline: Pipeline) -> Iterable[str]:
    return (node.name for node in pipeline.nodes)


def _tags(pipeline: Pipeline) -> Iterable[str]:
    return (tag for node in pipeline.nodes for tag in node.tags)


def _namespaces(pipeline: Pipeline) -> Iterable[str]:
    return (prefix for node in pipeline.nodes for prefix in node.namespace_prefixes)


_CHOOSING: Final[Mapping[str, tuple[str, str, _Names]]] = {
    "node_names": ("--nodes", "node", _node_names),
    "from_nodes": ("--from-nodes", "node", _node_names),
    "to_nodes": ("--to-nodes", "node", _node_names),
    "tags": ("--tags", "tag", _tags),
    "namespaces": ("--namespaces", "namespace", _namespaces),
    "from_inputs": ("--from-inputs", "dataset", lambda pipeline: pipeline.datasets()),
    "to_outputs": ("--to-outputs", "dataset", lambda pipeline: pipeline.all_outputs()),
}
"""Argument of Kedro's command -> its option, what it names, and the names there are."""


def check_selection(options: Mapping[str, Any]) -> None:
    """Refuse what no pipeline has.

    Args:
        options: the arguments of `kedro run`.

    Raises:
        ConfigurationError: names all that is misspelt, with what is allowed.
    """
    names = options["pipelines"] or [name for name in (options["pipeline"],) if name]
    problems = [*_unknown_pipelines(names), *_runner_problems(options)]
    if not problems and any(options.get(argument) for argument in _CHOOSING):
        problems = list(_unknown_names(options, names))
    if problems:
        raise ConfigurationError(problems)


def _unknown_pipelines(given: list[str]) -> Iterator[str]:
    """Name unknown pipelines before Kedro tries to import them."""
    from importlib.util import find_spec

    from kedro.framework.project import PACKAGE_NAME

    spec = find_spec(f"{PACKAGE_NAME}.pipelines")
    folders = [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
    known = sorted({path.parent.name for folder in folders for path in folder.glob("*/__init__.py")} | {_DEFAULT})
    if folders:
        yield from (unknown("pipeline", name, known) for name in given if name not in known)


def _runner_problems(options: Mapping[str, Any]) -> Iterator[str]:
    runner = options.get("runner") or _RUNNERS[0]
    try:
        load_obj(runner, "kedro.runner")
    except (AttributeError, ImportError, ValueError):
        yield f"{unknown('runner', runner, list(_RUNNERS))}, or the full name of a class"
    if options.get("is_async") or (options.get("runner_params") or {}).get("is_async"):
        yield (
            "--async cannot be used: some nodes hand on what they make piece by piece, which Kedro cannot save "
            "asynchronously. Leave it out: the work inside nodes is spread over all cores already"
        )


def _unknown_names(options: Mapping[str, Any], names: list[str]) -> Iterator[str]:
    from kedro.framework.project import pipelines

    pipelines.set_requested(names or None)
    chosen = sum((pipelines[name] for name in names or [_DEFAULT]), Pipeline([]))
    everywhere: dict[str, Pipeline] = {}
    for argument, (option, what, names_of) in _CHOOSING.items():
        given, known = options.get(argument) or (), sorted(set(names_of(chosen)) - {""})
        for name in sorted(set(given) - set(known)):
            everywhere = everywhere or registered_pipelines()
            others = [other for other, one in everywhere.items() if name in set(names_of(one)) and other != _DEFAULT]
            if others:
                yield f"{option}: {what} {name!r} belongs to the pipeline {others[0]}: add --pipelines={others[0]}"
            else:
                yield f"{option}: {unknown(what, name, known)}"


def unknown(what: str, name: str, known: list[str]) -> str:
    """Say that there is no such name, with those that are meant perhaps and those there are.

    >>> unknown("node", "trian", ["train", "test"])
    "node 'trian' is unknown: did you mean 'train'? Allowed: train, test"
    >>> unknown("tag", "a", [])
    "tag 'a' is unknown: there is none"
    """
    if not known:
        return f"{what} {name!r} is unknown: there is none"
    near = get_close_matches(name, known, n=1)
    hint = f": did you mean {near[0]!r}?" if near else "."
    listed = ", ".join(known[:_MOST]) + (f" and {len(known) - _MOST} more" if len(known) > _MOST else "")
    return f"{what} {name!r} is unknown{hint} Allowed: {listed}"
