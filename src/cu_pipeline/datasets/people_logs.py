from collections.abc import Iterable

from cu_pipeline.datasets.local import LocalDataset
from cu_pipeline.labeling.people.work_log import BatchDecided, BatchOpened, PersonAnswer, answer_log, batch_log


class BatchLogDataset(LocalDataset[Iterable[BatchOpened | BatchDecided], list[BatchOpened | BatchDecided]]):
    """Batches of clips that people got, and decisions on them: saving appends, loading gives all in order."""

    def load(self) -> list[BatchOpened | BatchDecided]:
        return batch_log(self._filepath).read()

    def save(self, data: Iterable[BatchOpened | BatchDecided]) -> None:
        batch_log(self._filepath).append(data)


class AnswerLogDataset(LocalDataset[Iterable[PersonAnswer], list[PersonAnswer]]):
    """People's answers: saving appends, loading gives all in order."""

    def load(self) -> list[PersonAnswer]:
        return answer_log(self._filepath).read()

    def save(self, data: Iterable[PersonAnswer]) -> None:
        answer_log(self._filepath).append(data)
