import importlib.util
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.hashing import file_sha256

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
        """Give the answer for each clip; "" where it says nothing.

        Raises:
            ConfigurationError: the function failed.
        """
        return pd.Series([self._answer(row) for row in clips.to_dict("records")], index=clips.index, dtype=object)

    def _answer(self, row: Mapping[Any, Any]) -> str:
        try:
            return self.ask(row) or ""
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
    """Give the rules that a Python file defines or imports; none where there is no file.

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
        spec.loader.exec_module(module)
    except Exception as error:
        raise ConfigurationError(f"the rules in {path} cannot be loaded: {type(error).__name__}: {error}") from error
    return [value for value in vars(module).values() if isinstance(value, FunctionRule)]
