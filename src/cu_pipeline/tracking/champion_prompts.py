from typing import Any

from kedro.io import AbstractDataset, DatasetError

from cu_pipeline.llm.labels.recipes import ChampionOf


class ChampionPrompts(AbstractDataset[Any, ChampionOf]):
    """The champions of the prompt registry: loading gives a function, which asks the registry when it is called.

    Args:
        filepath: where the registry lies unless `MLFLOW_TRACKING_URI` says otherwise; not read directly.
        metadata: ignored here; read by the generator of `dvc.yaml`.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = filepath
        self.metadata = metadata

    def load(self) -> ChampionOf:
        """Give a function from a capability to its champion, or None when it has none."""
        from cu_pipeline.tracking import prompt_registry

        return prompt_registry.champion

    def save(self, data: Any) -> None:
        """Refuse: champions change by promotion only."""
        given = type(data).__name__
        raise DatasetError(f"champion prompts are not saved ({given} given): run the prompts pipeline instead")

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}

    def _exists(self) -> bool:
        return True
