"""What a run leaves in MLflow so that it can be repeated: parameters, data, environment, and uncommitted code."""

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ValidationError

from cu_pipeline.core.errors import ReproductionError
from cu_pipeline.tracking.reproduction.environment import Environment

if TYPE_CHECKING:
    from mlflow import MlflowClient

FOLDER: Final = "reproduction"
"""Of a run's artifacts."""

_PARAMETERS, _DATA, _ENVIRONMENT, _CODE = "parameters.json", "data.json", "environment.json", "code.patch"


class StageData(BaseModel):
    """The data of one pipeline of a run, path -> DVC's hash.

    Attributes:
        reads: what it read as other pipelines, or people, had left it.
        earlier: what it read as earlier runs had left it where this or another pipeline writes anew; None: there was
            nothing yet.
        writes: what it wrote.
    """

    reads: dict[str, str] = {}
    earlier: dict[str, str | None] = {}
    writes: dict[str, str] = {}


class DataUsed(BaseModel):
    """The data of a run.

    Attributes:
        stages: pipeline -> its data, of those whose every node ran.
        bundles: capability -> content hash of the model that was trained.
        bundles_at: the folder of these models.
        measured: paths of the files with what was measured.
        pages: paths of texts for people, which name the run and its time.
        code_changed: whether the run was made from code that no commit has.
    """

    stages: dict[str, StageData] = {}
    bundles: dict[str, str] = {}
    bundles_at: str = ""
    measured: list[str] = []
    pages: list[str] = []
    code_changed: bool = False


class RunRecord(BaseModel):
    """All that a run left.

    Attributes:
        parameters: complete, as Kedro reads them.
        data: what it read and wrote.
        environment: where it took place.
        patch: changes of the code that no commit has; b"": none, or too many to be kept.
    """

    parameters: dict[str, Any]
    data: DataUsed
    environment: Environment
    patch: bytes = b""

    def log(self) -> None:
        """Add it to the active MLflow run."""
        import mlflow

        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            texts = {
                _PARAMETERS: json.dumps(self.parameters, indent=2, default=str, ensure_ascii=False),
                _DATA: self.data.model_dump_json(indent=2),
                _ENVIRONMENT: self.environment.model_dump_json(indent=2),
            }
            for name, text in texts.items():
                (folder / name).write_text(text + "\n", encoding="utf-8")
            if self.patch:
                (folder / _CODE).write_bytes(self.patch)
            mlflow.log_artifacts(scratch, FOLDER)

    @classmethod
    def read(cls, client: "MlflowClient", run_id: str) -> "RunRecord | None":
        """Fetch what a run left; None: an earlier version of this package made it, which left nothing.

        Raises:
            ReproductionError: what it left is damaged.
        """
        names = {Path(one.path).name for one in client.list_artifacts(run_id, FOLDER)}
        if not {_PARAMETERS, _DATA, _ENVIRONMENT} <= names:
            return None
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(client.download_artifacts(run_id, FOLDER, scratch))
            try:
                return cls(
                    parameters=json.loads((folder / _PARAMETERS).read_bytes()),
                    data=DataUsed.model_validate_json((folder / _DATA).read_bytes()),
                    environment=Environment.model_validate_json((folder / _ENVIRONMENT).read_bytes()),
                    patch=(folder / _CODE).read_bytes() if _CODE in names else b"",
                )
            except (ValueError, ValidationError) as error:
                raise ReproductionError(f"the artifacts {FOLDER}/ of run {run_id} are damaged: {error}") from error
