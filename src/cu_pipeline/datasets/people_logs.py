from collections.abc import Iterable

from cu_pipeline.datasets.local import LocalDataset
from cu_pipeline.labeling.people.records import Decided, Opened, PersonAnswer, answer_log, batch_log


class BatchLogDataset(LocalDataset[Iterable[Opened | Decided], list[Opened | Decided]]):
    """Batches of clips that people got, and decisions on them: saving appends, loading gives all in order."""

    def load(self) -> list[Opened | Decided]:
        return batch_log(self._filepath).read()

    def save(self, data: Iterable[Opened | Decided]) -> None:
        batch_log(self._filepath).append(data)


class AnswerLogDataset(LocalDataset[Iterable[PersonAnswer], list[PersonAnswer]]):
    """People's answers: saving appends, loading gives all in order."""

    def load(self) -> list[PersonAnswer]:
        return answer_log(self._filepath).read()

    def save(self, data: Iterable[PersonAnswer]) -> None:
        answer_log(self._filepath).append(data)
