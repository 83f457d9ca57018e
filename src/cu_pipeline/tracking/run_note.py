"""What a run's page begins with: what differs from the run before, what came out, and where the data are."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from cu_pipeline.core.keys import tracking_key
from cu_pipeline.tracking.run_metrics import Numbers
from cu_pipeline.tracking.run_names import COMMIT, SNAPSHOT, Before

NOTE: Final = "mlflow.note.content"
"""MLflow's tag of a run's description, in Markdown."""

_MOST: Final = 10
_TOLD: Final = {"accuracy": "test accuracy", "macro_f1": "macro-F1", "best_baseline": "best baseline's accuracy"}
"""Metrics of the test split -> their words."""


def note(
    experiment_id: str,
    tags: Mapping[str, str],
    earlier: Before,
    changes: Mapping[str, tuple[str, str]],
    data: Mapping[str, int],
) -> str:
    """Tell what differs from the earlier run, and which version of the data a run has.

    Args:
        experiment_id: of both runs.
        tags: of the run.
        earlier: the run that it is compared with.
        changes: parameters that differ: key -> value there and here.
        data: rows that the data have more.
    """
    lines = []
    if earlier.run_id:
        link = f"[{earlier.name}](#/experiments/{experiment_id}/runs/{earlier.run_id})"
        told = [f"`{key}` {there or 'absent'} → {here or 'absent'}" for key, (there, here) in changes.items()]
        told = told[:_MOST] + ([f"{len(told) - _MOST} more parameters"] if len(told) > _MOST else [])
        told += [f"{name} {number:+,}" for name, number in data.items() if number]
        told += ["the data" if data and not any(data.values()) else ""]
        commit = tags.get(COMMIT, "")
        told += [f"code `{commit[:7]}`" if commit != earlier.tags.get(COMMIT) else ""]
        words = "; ".join(filter(None, told)) or (
            "the same parameters, data and code" if earlier.params is not None else ""
        )
        lines.append(f"**Since {link}:** {words}" if words else f"**After** {link}")
    if snapshot := tags.get(SNAPSHOT):
        before = earlier.tags.get(SNAPSHOT)
        command = f"kedro snapshots diff {before} {snapshot}" if before not in (None, snapshot) else "kedro snapshots"
        lines.append(f"**Data:** version `{snapshot}`, see `{command}`")
    return "\n\n".join(lines)


def results(metrics: Numbers, gate: Mapping[str, Mapping[str, Any]], capabilities: Iterable[str]) -> str:
    """Tell what each capability's model reaches, and what the gate decided, as Markdown.

    Args:
        metrics: of the run.
        gate: the `gate` dataset.
        capabilities: that were measured.
    """
    return "\n".join(f"- **{name}**: {_result(name, metrics, gate.get(name))}" for name in capabilities)


def _result(name: str, metrics: Numbers, decided: Mapping[str, Any] | None) -> str:
    place = f"{tracking_key(name)}/test"
    numbers = {metric: metrics.get(f"{place}/{metric}") for metric in _TOLD}
    parts = [f"{words} {numbers[metric]:.3f}" for metric, words in _TOLD.items() if numbers[metric] is not None]
    low, high = (metrics.get(f"{place}/accuracy_{end}") for end in ("low", "high"))
    if parts and low is not None:
        parts[0] += f" ({low:.3f} – {high:.3f})"
    if decided:
        word = "promoted" if decided["decision"] == "promote" else "not promoted"
        parts.append(": ".join([word, "; ".join(decided["reasons"])]))
    return ", ".join(parts)
