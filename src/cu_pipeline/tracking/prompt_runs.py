from typing import Any, Final

from cu_pipeline.core.paths import project_root
from cu_pipeline.tracking.mlflow_run import configure, log_pictures

_PARAMETERS: Final = ("prompt", "method", "form", "shots", "version")
_METRICS: Final = (
    "accuracy",
    "macro_f1",
    "ece",
    "unparsed",
    "unanswered",
    "usd_per_1000_clips",
    "tokens_per_clip",
    "seconds_per_clip",
    "p_value",
    "p_adjusted",
    "p_base_rate",
)


def track(results: dict[str, Any], figure: bytes, page: str) -> None:
    """Log each trial of the prompt lab as a run inside the active one, and what compares them.

    Args:
        results: the `prompt_results` dataset.
        figure: PNG.
        page: HTML.
    """
    configure(project_root())
    import mlflow

    log_pictures([("quality_and_cost.png", figure)], "figures")
    mlflow.log_dict(results, "prompts.json")
    mlflow.log_text(page, "prompts.html")
    decision = results["decision"]
    mlflow.set_tags({"prompts.decision": decision["reason"], "prompts.chosen": decision["chosen"]})
    for row in results["trials"]:
        tags = {"capability": results["capability"], "client": results["client"], "chosen": str(row["chosen"]).lower()}
        with mlflow.start_run(run_name=row["name"], nested=True, tags=tags):
            mlflow.log_params({name: row[name] for name in _PARAMETERS})
            low, high = row["ci95"]
            metrics = {name: row[name] for name in _METRICS if row[name] is not None}
            mlflow.log_metrics(metrics | {"accuracy_low": low, "accuracy_high": high})
            for order, accuracy in enumerate(row["orders"]):
                mlflow.log_metric("accuracy_by_order", accuracy, step=order)
            mlflow.log_text(row["template"], "prompt.j2")
