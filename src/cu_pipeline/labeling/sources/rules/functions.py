"""Rules as functions of a Python file, which say what parameters cannot express."""

import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pandas as pd

from cu_pipeline.core.caption_text import clean_name
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.hashing import file_sha256
from cu_pipeline.core.lean import in_batches

_FORMER_NAMES: Final = ("cu_pipeline.labeling.rules", "cu_pipeline.labeling.rules.function")
"""Under which rules files of earlier versions import `rule`. To edit such a file would cost a certification test."""

Ask = Callable[[Mapping[str, Any]], str | None]


@dataclass(frozen=True)
class FunctionRule:
    """A Python function that labels clips.

    Attributes:
        name: of the annotator: the function's.
        capability: that it answers.
        probability: how often it is taken to be right until that is measured.
        ask: from a row of the table of clips to a label, or to None or "" where it says nothing.
    """

    name: str
    capability: str
    probability: float
    ask: Ask

    @property
    def version(self) -> str:
        """The hash of the file that the function stands in."""
        return file_sha256(Path(inspect.getfile(self.ask)))[:12]

    def answers(self, clips: pd.DataFrame) -> "pd.Series[str]":
        """Answer for each clip; "" where it says nothing.

        Raises:
            ConfigurationError: the function failed.
        """
        batches = in_batches(clips, list(clips.columns))
        answers = [self._answer(row) for batch in batches for row in batch.to_dict("records")]
        return pd.Series(answers, index=clips.index, dtype=object)

    def _answer(self, row: Mapping[Any, Any]) -> str:
        try:
            return clean_name(self.ask(row) or "")
        except Exception as error:
            raise ConfigurationError(
                f"rule {self.name!r} failed on clip {row['clip_id']!r}: {type(error).__name__}: {error}. Correct the "
                f"function in {inspect.getfile(self.ask)}"
            ) from error


def rule(capability: str, *, probability: float = 0.8) -> Callable[[Ask], FunctionRule]:
    """Make a function a source of labels.

    >>> @rule("topic")
    ... def recipes(clip):
    ...     return "cooking" if "recipe" in clip["text"] else None
    >>> recipes.name, recipes.capability
    ('recipes', 'topic')
    """
    if not 0 < probability < 1:
        raise ConfigurationError(f"a rule's probability is between 0 and 1, not {probability!r}")
    return lambda ask: FunctionRule(ask.__name__, capability, probability, ask)


def load_rules(path: Path) -> list[FunctionRule]:
    """Load the rules that a Python file defines or imports; none where there is no file.

    Raises:
        ConfigurationError: the file cannot be run.
    """
    if not path.is_file():
        return []
    spec = importlib.util.spec_from_file_location("cu_pipeline_rules", path)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"{path} is no Python file: rules stand in a file that ends with .py")
    module = importlib.util.module_from_spec(spec)
    try:
        with _former_names():
            spec.loader.exec_module(module)
    except Exception as error:
        raise ConfigurationError(f"the rules in {path} cannot be loaded: {type(error).__name__}: {error}") from error
    return [value for value in vars(module).values() if isinstance(value, FunctionRule)]


@contextmanager
def _former_names() -> Iterator[None]:
    """Let a rules file import this package by the names that it had."""
    added = [name for name in _FORMER_NAMES if name not in sys.modules]
    package = ModuleType(_FORMER_NAMES[0])
    package.__path__ = []
    sys.modules.update(dict(zip(_FORMER_NAMES, (package, sys.modules[__package__]), strict=True)))
    try:
        yield
    finally:
        for name in added:
            del sys.modules[name]
