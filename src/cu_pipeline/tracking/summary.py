from collections.abc import Mapping
from pathlib import Path


def summary(
    seconds: Mapping[str, float],
    counts: Mapping[str, int],
    report: Path | None,
    run_id: str,
) -> str:
    """Give the text that a person reads when a run has ended well.

    Args:
        seconds: pipeline -> time of its nodes.
        counts: counter -> value.
        report: the report page, if there is one.
        run_id: the MLflow run.
    """
    blocks = [_table("Time", {name: f"{value:.1f} s" for name, value in seconds.items()})]
    if counts:
        blocks.append(_table("Counters", {name: f"{value:,}" for name, value in counts.items()}))
    places = {"Report": str(report)} if report else {}
    places |= {"MLflow run": run_id, "Compare runs": "make ui", "Serve": "make serve"}
    blocks.append(_table("Next", places))
    return "\n".join(["", *blocks])


def _table(title: str, rows: Mapping[str, str]) -> str:
    width = max((len(name) for name in rows), default=0)
    lines = [f"  {name:<{width}}  {text}" for name, text in rows.items()]
    return "\n".join([title, *lines])
