from collections.abc import Iterable

from cu_pipeline.datasets.local import LocalDataset
from cu_pipeline.features.text_log import TextFeature, TextLog


class TextLogDataset(LocalDataset[Iterable[TextFeature], dict[str, str]]):
    """What an extractor put into words about clips: saving appends, loading gives all by key."""

    def load(self) -> dict[str, str]:
        return TextLog(self._filepath).read()

    def save(self, data: Iterable[TextFeature]) -> None:
        TextLog(self._filepath).append(data)
