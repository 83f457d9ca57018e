import json
from pathlib import Path

from mlflow import MlflowClient

from cu_pipeline.tracking import mlflow_run, run_table


def test_the_table_has_ten_columns_at_most_the_most_wanted_of_every_capability():
    ends = ("test/accuracy", "test/macro_f1", "test/ece", "gate/promoted", "gate/p_value")
    metrics = [f"{name}/{end}" for name in ("a", "b", "c") for end in ends] + ["total/seconds", "total/usd"]
    assert run_table.columns(metrics) == [
        "a/test/accuracy", "a/gate/promoted", "a/test/macro_f1", "b/test/accuracy", "b/gate/promoted",
        "b/test/macro_f1", "c/test/accuracy", "c/gate/promoted", "total/usd", "total/seconds",
    ]  # fmt: skip


def test_champions_of_earlier_versions_are_no_capabilities():
    assert run_table.columns(["topic/champion/test/accuracy", "topic/test/accuracy"]) == ["topic/test/accuracy"]


def test_the_experiment_keeps_the_view_and_the_address_names_it(tracked_root: Path):
    mlflow_run.start(tracked_root, "1 first run", {mlflow_run.PIPELINE: "lifecycle"})
    assert run_table.address("http://x").startswith("http://x/#/experiments/")
    assert "viewStateShareKey" not in run_table.address("http://x")
    mlflow_run.log_metrics({"topic/test/accuracy": 0.5})
    run_table.publish()
    mlflow_run.finish("FINISHED")
    client = MlflowClient()
    experiment = client.get_experiment_by_name(mlflow_run.EXPERIMENT)
    kept = json.loads(experiment.tags["mlflow.sharedViewState.runs"])
    assert kept["selectedColumns"] == ["metrics.`topic/test/accuracy`"]
    assert [chart["metricKey"] for chart in kept["compareRunCharts"]] == ["topic/test/accuracy"]
    assert run_table.address("http://x").endswith("viewStateShareKey=runs")
    client.set_experiment_tag(experiment.experiment_id, "mlflow.note.content", "ours")
    run_table.publish()
    assert client.get_experiment(experiment.experiment_id).tags["mlflow.note.content"] == "ours"
