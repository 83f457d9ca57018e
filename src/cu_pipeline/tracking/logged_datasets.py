"""The labelled clips of a run as MLflow's datasets: the version that models learn from and are tested on."""

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

import pandas as pd

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

_CONTEXT: Final = "mlflow.data.context"
_LONGEST_DIGEST: Final = 36


def labelled_splits(labels: pd.DataFrame, splits: Mapping[str, str], path: str, md5: str) -> "dict[str, DatasetInput]":
    """Describe the labels of each split as a dataset.

    Args:
        labels: the `labels` table.
        splits: clip_id -> its split.
        path: of the table in the project.
        md5: DVC's hash of it, which is the datasets' digest.

    Returns:
        Split -> the dataset, with the split as its context and the numbers of clips as its profile.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag

    found = {}
    where = labels["clip_id"].map(splits)
    for split, rows in labels.groupby(where, sort=True):
        profile = {"labels": len(rows), "clips": int(rows["clip_id"].nunique())}
        profile |= {f"labels of {name}": int(count) for name, count in rows["capability"].value_counts().items()}
        source = json.dumps({"path": path, "dvc": md5})
        dataset = Dataset(f"labels {split}", md5[:_LONGEST_DIGEST], "dvc", source, profile=json.dumps(profile))
        found[str(split)] = DatasetInput(dataset, [InputTag(_CONTEXT, str(split))])
    return found


def log(datasets: "Iterable[DatasetInput]") -> None:
    """Log datasets as the inputs of the active run."""
    import mlflow

    if run := mlflow.active_run():
        mlflow.MlflowClient().log_inputs(run.info.run_id, list(datasets))
