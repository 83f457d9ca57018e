"""YAML that people and other tools write: where it cannot be read, file, line and remedy are told."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from cu_pipeline.core.errors import ConfigurationError

_MARKER: Final = re.compile(r"^(<<<<<<<|=======|>>>>>>>)( |$)", re.MULTILINE)


def parse(text: str, name: str) -> dict[str, Any]:
    """Parse a YAML mapping; an empty text is an empty one.

    Args:
        text: of the file.
        name: what errors call the file.

    Raises:
        ConfigurationError: the text has the marks of an unresolved merge, is no YAML, or is no mapping.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C where PyYAML was built so: ten times faster
    try:
        content = yaml.load(text, Loader=loader)  # noqa: S506 - a safe loader
    except yaml.YAMLError as error:
        raise ConfigurationError(problem(text, name, error)) from error
    if not isinstance(content or {}, dict):
        raise ConfigurationError(f"{name} is no mapping but a {type(content).__name__}: {_remedy(name)}")
    return content or {}


def read(path: Path, name: str = "") -> dict[str, Any]:
    """Read a file as `parse` does; one that is absent is empty.

    Args:
        path: the file.
        name: what errors call it; "": its own name.

    Raises:
        ConfigurationError: it cannot be read as UTF-8, or as `parse` says.
    """
    if not path.is_file():
        return {}
    return parse(read_text(path, name), name or path.name)


def read_text(path: Path, name: str = "") -> str:
    """Read the text of a file that there is.

    Raises:
        ConfigurationError: it is not UTF-8, or may not be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        name = name or path.name
        raise ConfigurationError(f"{name} cannot be read ({error}): {_remedy(name)}") from error


def problem(text: str, name: str, error: yaml.YAMLError | None = None) -> str:
    r"""Say in words why a text cannot be used as YAML, with the line.

    >>> problem("a: 1\n<<<<<<< HEAD\n", "dvc.yaml").partition(":")[0]
    'dvc.yaml has an unresolved merge in line 2'
    """
    if marker := _MARKER.search(text):
        line = text.count("\n", 0, marker.start()) + 1
        return f"{name} has an unresolved merge in line {line}: {_remedy(name, merge=True)}"
    mark = getattr(error, "problem_mark", None)
    where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    what = getattr(error, "problem", None) or str(error).partition("\n")[0]
    return f"{name} is no YAML{where} ({what}): {_remedy(name)}"


@contextmanager
def shape_told(name: str) -> Iterator[None]:
    """Turn what goes wrong with a mapping of another shape than expected, such as a file cut off, into words.

    Raises:
        ConfigurationError: a key is absent, or a value of another type.
    """
    try:
        yield
    except (AttributeError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{name} is damaged, perhaps cut off ({error}): {_remedy(name)}") from error


def _remedy(name: str, *, merge: bool = False) -> str:
    if name.partition(" ")[0] == "dvc.lock":
        if merge:
            return (
                "keep one side with `git checkout --ours dvc.lock` or `--theirs`, or edit the file, "
                "then `dvc checkout` and run again"
            )
        return "`git checkout dvc.lock` brings the committed one back; without git, delete it and run again"
    if name == "dvc.yaml":
        return "`kedro dvc-yaml` writes it anew"
    if name == "params.yaml":
        return "delete it and run again: it is written anew"
    return "keep one side and delete the three marked lines" if merge else "correct the file"
