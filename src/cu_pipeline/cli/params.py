"""`--params` of `kedro run`: `key=value` pairs, whose values are text where a parameter is text."""

import json
from typing import Any, Final

import click
import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from cu_pipeline.tracking.given_texts import GIVEN_TEXTS

_OPENING: Final = {"[": "]", "{": "}"}
_HELP: Final = r"""Parameters for this run: key=value,key=value, with dots for nesting, such as
train.linear.folds=10. A comma in a value is written `\,`, unless it stands in [a,b] or {a: b}."""


class ParamsOption(click.Option):
    """Kedro's `--params`, in which a value may have commas and keeps its text for parameters that are text."""

    def __init__(self) -> None:
        super().__init__(["--params"], type=click.UNPROCESSED, default="", help=_HELP, callback=_read)


def _read(context: click.Context, option: click.Parameter, value: Any) -> dict[str, Any]:
    if isinstance(value, dict):  # from a file of --config
        return value
    texts: dict[str, str] = {}
    for item in split(value):
        key, equals, text = item.partition("=")
        if not equals or not key.strip():
            raise click.BadParameter(
                rf"{item!r} is no key=value. A comma inside a value is written `\,`", context, option
            )
        texts[key.strip()] = text
    GIVEN_TEXTS.set(texts)
    try:
        made = OmegaConf.from_dotlist([_pair(key, text) for key, text in texts.items()])
        found: Any = OmegaConf.to_container(made)
        return dict(found)
    except OmegaConfBaseException as error:
        raise click.BadParameter(str(error).partition("\n")[0], context, option) from error


def _pair(key: str, text: str) -> str:
    try:
        OmegaConf.from_dotlist([f"{key}={text}"])
    except yaml.YAMLError:  # such as `[a` or `%x`, which can be meant as a text only
        return f"{key}={json.dumps(text)}"
    return f"{key}={text}"


def split(given: str) -> list[str]:
    r"""Split at commas, but not at `\,` (which becomes a comma) nor inside brackets.

    >>> split(r"a=1,b=x\,y,c=[1,2],d={e: f,g: h}")
    ['a=1', 'b=x,y', 'c=[1,2]', 'd={e: f,g: h}']
    """
    items, closing, escaped = [""], "", False
    for letter in given:
        if escaped:
            items[-1] += letter if letter == "," else f"\\{letter}"
        elif letter == "," and not closing:
            items.append("")
        elif letter != "\\":
            items[-1] += letter
        if not escaped and letter in _OPENING and (closing or items[-1].endswith(f"={letter}")):
            closing = _OPENING[letter] + closing
        elif closing and letter == closing[0]:
            closing = closing[1:]
        escaped = letter == "\\" and not escaped
    items[-1] += "\\" if escaped else ""
    return [item.strip() for item in items if item.strip()]
