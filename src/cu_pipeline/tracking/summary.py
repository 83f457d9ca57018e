from collections.abc import Iterable, Mapping
from pathlib import Path


def summary(
    seconds: Mapping[str, float],
    counts: Mapping[str, int],
    report: Path | None,
    run_id: str,
    steps: Mapping[str, str],
) -> str:
    """Give the text that a person reads when a run has ended well.

    Args:
        seconds: pipeline -> time of its nodes.
        counts: counter -> value.
        report: the report page, if there is one.
        run_id: the MLflow run.
        steps: what can be done next -> the command.
    """
    blocks = [_table("Time", {name: f"{value:.1f} s" for name, value in seconds.items()})]
    if counts:
        blocks.append(_table("Counters", {name: f"{value:,}" for name, value in counts.items()}))
    places = {"Report": str(report)} if report else {}
    places |= {"MLflow run": run_id, "Compare runs": "make ui"}
    blocks.append(_table("Next", {**places, **steps}))
    return "\n".join(["", *blocks])


def next_steps(unlearned: Iterable[str], *, served: bool) -> dict[str, str]:
    """Give what can be done after a run, with the command.

    Args:
        unlearned: capabilities that wait for people's labels.
        served: whether there is a model to serve.

    >>> next_steps([], served=True)
    {'Serve': 'make serve'}
    >>> next_steps(["topic"], served=False)
    {'Label topic': 'kedro labels push, pull (or export FILE, import FILE), then make run'}
    """
    steps = {"Serve": "make serve"} if served else {}
    if names := ", ".join(unlearned):
        steps[f"Label {names}"] = "kedro labels push, pull (or export FILE, import FILE), then make run"
    return steps


def _table(title: str, rows: Mapping[str, str]) -> str:
    width = max((len(name) for name in rows), default=0)
    lines = [f"  {name:<{width}}  {text}" for name, text in rows.items()]
    return "\n".join([title, *lines])
