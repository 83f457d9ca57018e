"""Objects of records in files that people may edit: every value has its type, or it is said which has not."""

from collections.abc import Iterator
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

Kind = TypeVar("Kind")


def checked(kind: type[Kind], record: Any) -> Kind:
    """Make an object of what stands in a file.

    Args:
        kind: a class whose fields have types; nested ones are made, too.
        record: what JSON gave.

    Raises:
        ValueError: in words, each value that cannot be used, where it stands, and what is wanted.
    """
    try:
        made: Kind = _adapter(cast("Any", kind)).validate_python(record)
    except ValidationError as error:
        raise ValueError("; ".join(_in_words(error))) from error
    return made


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _in_words(error: ValidationError) -> Iterator[str]:
    for one in error.errors(include_url=False):
        place, value = ".".join(map(str, one["loc"])), one["input"]
        shown = "" if isinstance(value, dict) else f" (not {value!r})"
        yield f"{place or 'the whole'}: {one['msg']}{shown}"
