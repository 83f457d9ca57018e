from collections.abc import Iterable

from cu_pipeline.datasets.local import LocalDataset
from cu_pipeline.llm.clients.call_log import Call, CallLog
from cu_pipeline.llm.clients.protocol import Answer


class CallLogDataset(LocalDataset[Iterable[Call], dict[str, Answer]]):
    """Answers of language models: saving appends, loading gives all by key."""

    def load(self) -> dict[str, Answer]:
        return CallLog(self._filepath).read()

    def save(self, data: Iterable[Call]) -> None:
        CallLog(self._filepath).append(data)
