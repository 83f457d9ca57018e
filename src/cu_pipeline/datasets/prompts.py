"""Prompts, and what language models answered in the prompt lab."""

from collections.abc import Iterable
from typing import Any

from cu_pipeline.datasets.local import LocalDataset
from cu_pipeline.llm.clients.call_log import Known, TimedCall, TimedLog


class PromptFolder(LocalDataset[Any, dict[str, str]]):
    """The prompts of a folder, name -> template; they are written by people."""

    def load(self) -> dict[str, str]:
        return {path.stem: path.read_text(encoding="utf-8") for path in sorted(self._filepath.glob("*.j2"))}

    def save(self, data: Any) -> None:
        raise NotImplementedError(f"{self._filepath} is written by people")


class TimedLogDataset(LocalDataset[Iterable[TimedCall], Known]):
    """Timed answers in a folder: saving appends, loading gives all."""

    def load(self) -> Known:
        return TimedLog(self._filepath).read()

    def save(self, data: Iterable[TimedCall]) -> None:
        TimedLog(self._filepath).append(data)
