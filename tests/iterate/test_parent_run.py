import pytest

from cu_pipeline.iterate import parent_run
from cu_pipeline.tracking.abandoned_runs import close_abandoned

pytestmark = pytest.mark.slow


def test_an_iteration_is_one_run_that_a_killed_process_finds_again(tracked_root) -> None:
    import mlflow

    first = parent_run.start(tracked_root, 7)
    assert parent_run.start(tracked_root, 7) == first
    assert parent_run.start(tracked_root, 8) != first
    close_abandoned(tracked_root)
    client = mlflow.MlflowClient()
    assert client.get_run(first).info.status == "RUNNING", "an iteration may wait for days"
    parent_run.finish(
        tracked_root, first, "iteration 7: new style", {"iteration.action": "retrain"}, {"x": 1.5}, failed=False
    )
    found = client.get_run(first)
    assert (found.info.status, found.info.run_name) == ("FINISHED", "iteration 7: new style")
    assert found.data.tags["iteration.action"] == "retrain"
    assert found.data.metrics["x"] == 1.5
    assert parent_run.start(tracked_root, 7) != first
