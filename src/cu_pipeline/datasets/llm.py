"""Prompts and recipes, and what language models answered."""

from collections.abc import Iterable, Mapping
from typing import Any

from cu_pipeline.datasets.local import LocalDataset
from cu_pipeline.datasets.tables import JSONFile
from cu_pipeline.llm.clients.call_log import Call, CallLog, Known, Payment, TimedCall, TimedLog
from cu_pipeline.llm.clients.protocol import Answer
from cu_pipeline.llm.methods.recipe import Recipe


class PromptFolder(LocalDataset[Any, dict[str, str]]):
    """The prompts of a folder, name -> template; they are written by people."""

    def load(self) -> dict[str, str]:
        return {path.stem: path.read_text(encoding="utf-8") for path in sorted(self._filepath.glob("*.j2"))}

    def save(self, data: Any) -> None:
        raise NotImplementedError(f"{self._filepath} is written by people")


class RecipesFile(LocalDataset[Mapping[str, Recipe], dict[str, Recipe]]):
    """Recipes by capability, in one JSON file."""

    def load(self) -> dict[str, Recipe]:
        return {name: Recipe.model_validate(one) for name, one in JSONFile(filepath=str(self._filepath)).load().items()}

    def save(self, data: Mapping[str, Recipe]) -> None:
        JSONFile(filepath=str(self._filepath)).save({name: one.model_dump(mode="json") for name, one in data.items()})


class TimedLogDataset(LocalDataset[Iterable[TimedCall], Known]):
    """Timed answers in a folder: saving appends, loading gives all."""

    def load(self) -> Known:
        return TimedLog(self._filepath).read()

    def save(self, data: Iterable[TimedCall]) -> None:
        TimedLog(self._filepath).append(data)


class CallLogDataset(LocalDataset[Iterable[Call], dict[str, Answer]]):
    """Answers of language models: saving appends, loading gives all by key."""

    def load(self) -> dict[str, Answer]:
        return CallLog(self._filepath).read()

    def save(self, data: Iterable[Call]) -> None:
        CallLog(self._filepath).append(data)


class PaymentsDataset(LocalDataset[Any, list[Payment]]):
    """What language models' calls cost, by a log of calls that another dataset writes."""

    def load(self) -> list[Payment]:
        return CallLog(self._filepath).payments()

    def save(self, data: Any) -> None:
        raise NotImplementedError(f"{self._filepath} is written with the calls")
