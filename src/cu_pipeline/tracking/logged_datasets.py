"""The labelled clips of a run as MLflow's datasets: the version that models learn from and are tested on."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import pandas as pd

from cu_pipeline.core.records import Split

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

_CONTEXT: Final = "mlflow.data.context"
_LONGEST_DIGEST: Final = 36


def labelled_splits(labels: pd.DataFrame, clips: pd.DataFrame, path: str, md5: str) -> "dict[str, DatasetInput]":
    """Describe the labels of each split as a dataset.

    Args:
        labels: the `labels` table.
        clips: `clip_id` and `split` of all clips; other splits than train, validation and test are left out.
        path: of the table in the project.
        md5: DVC's hash of it, which is the datasets' digest.

    Returns:
        Split -> the dataset, with the split as its context and the numbers of clips as its profile.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag

    found = {}
    where = labels["clip_id"].map(clips.set_index("clip_id")["split"])
    for split in (Split.TRAIN.value, Split.VALIDATION.value, Split.TEST.value):
        rows = labels[where == split]
        if rows.empty:
            continue
        profile = {"labels": len(rows), "clips": int(rows["clip_id"].nunique())}
        profile |= {f"labels of {name}": int(count) for name, count in rows["capability"].value_counts().items()}
        source = json.dumps({"path": path, "dvc": md5})
        dataset = Dataset(f"labels {split}", md5[:_LONGEST_DIGEST], "dvc", source, profile=json.dumps(profile))
        found[split] = DatasetInput(dataset, [InputTag(_CONTEXT, split)])
    return found


def log(datasets: "Iterable[DatasetInput]") -> None:
    """Log datasets as the inputs of the active run."""
    import mlflow

    if run := mlflow.active_run():
        mlflow.MlflowClient().log_inputs(run.info.run_id, list(datasets))
