"""What `kedro models` shows: tables of models, and one model in full."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from cu_pipeline.evaluation.metrics import METRICS
from cu_pipeline.tracking.promotions import CAUSES, UNKNOWN, Promotion

if TYPE_CHECKING:
    from cu_pipeline.models.bundle import Bundle
    from cu_pipeline.tracking.known_models import KnownModel

_HEAD: Final = ["", "version", "bundle", "family", "accuracy", "macro-F1", "alias", "run", "age"]
_SHOWN: Final = ("accuracy", "macro_f1")
_LONGEST: Final = 40
_MARK: Final = "*"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table in columns.

    >>> print(table(["", "a"], [["accuracy", "0.5"]]))
              a
    accuracy  0.5
    """
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in [head, *rows])


def listing(capability: str, models: "Sequence[KnownModel]", champion: str | None) -> str:
    """List the models of a capability, the champion marked."""
    rows = [
        [
            _MARK if one.bundle_version and one.bundle_version == champion else "",
            one.number or "-",
            one.bundle_version or "-",
            one.family or "-",
            *(number(one.metrics.get(name)) for name in _SHOWN),
            ", ".join(one.aliases) or "-",
            _runs(one),
            age(one.created),
        ]
        for one in models
    ]
    title = f"{capability}: champion {champion}" if champion else f"{capability}: no champion, so it is not served"
    absent = "   MLflow knows no model of it here: `make run PIPELINES=evaluate,deliver` registers the champion"
    return f"{title}\n{table(_HEAD, rows) if rows else absent}"


def side_by_side(models: "Sequence[KnownModel]") -> str:
    """Put what the runs of several models measured into columns."""
    names = [name for name in METRICS if any(name in one.metrics for one in models)]
    facts = [
        ["version", *(one.number or "not registered" for one in models)],
        ["family", *(one.family or "-" for one in models)],
        ["run", *(_runs(one) for one in models)],
        ["age", *(age(one.created) for one in models)],
    ]
    measured = [
        [f"{METRICS[name].words}, as its run measured it", *(number(one.metrics.get(name)) for one in models)]
        for name in names
    ]
    return table(["", *(one.bundle_version for one in models)], [*facts, *measured])


def number(value: float | None) -> str:
    """Write a measured number; a hyphen for one that there is not."""
    return "-" if value is None else f"{value:.3f}"


def _runs(model: "KnownModel") -> str:
    name = model.run_name if len(model.run_name) <= _LONGEST else f"{model.run_name[: _LONGEST - 1]}…"
    return f"{name or '-'} and {len(model.runs) - 1} more" if len(model.runs) > 1 else name or "-"


def age(moment: datetime, now: datetime | None = None) -> str:
    """Write how long ago a moment was.

    >>> from datetime import timedelta
    >>> now = datetime(2026, 1, 9, tzinfo=UTC)
    >>> [age(now - timedelta(minutes=minutes), now) for minutes in (0, 59, 600, 2880)]
    ['0 min', '59 min', '10 h', '2 d']
    """
    minutes = int(((now or datetime.now(UTC)) - moment).total_seconds() // 60)
    for unit, size in (("d", 1440), ("h", 60)):
        if minutes >= size * (2 if unit == "d" else 1):
            return f"{minutes // size} {unit}"
    return f"{max(minutes, 0)} min"


def in_full(
    model: "KnownModel", bundle: "Bundle", champion: str | None, reports: Mapping[str, Any], ledger: Sequence[Promotion]
) -> Iterator[str]:
    """Show all of one model.

    Args:
        model: as MLflow knows it.
        bundle: its content.
        champion: version of the champion's bundle.
        reports: `metrics` and `gate`: what its run said of it, where that is at hand.
        ledger: entries of the capability.
    """
    role = ["champion"] if bundle.version == champion else []
    yield f"{model.capability} {bundle.version}" + (f": {', '.join(role)}" if role else "")
    facts = {
        "registry": f"version {model.number}" + (f" ({', '.join(model.aliases)})" if model.aliases else "")
        if model.number
        else "not registered; promoting it registers it",
        "trained": f"{model.created:%Y-%m-%d %H:%M} UTC by " + ", ".join(_named(model.runs)),
        "family": bundle.family,
        "recognises": f"{bundle.kind.value}: {', '.join(bundle.classes)}",
        "reads": "; ".join(_input(one) for one in bundle.inputs.values()) or "nothing of a clip",
        "learned from": f"{len(bundle.learned_from):,} clips" if bundle.learned_from else "not known",
        "decides by": _thresholds(bundle),
        "calibration": f"temperature {bundle.temperature:.3g}",
    }
    yield table(["", ""], [[f"  {name}", value] for name, value in facts.items()]).lstrip("\n")
    yield from _measured(model, reports.get("metrics"))
    yield from _judged(reports.get("gate"))
    yield from _changes(bundle.version, ledger)


def _named(runs: Mapping[str, str]) -> list[str]:
    return [f"{name or 'a run without a name'} ({run_id})" for run_id, name in runs.items()] or ["a run that is gone"]


def _input(one: Any) -> str:
    shape = " × ".join(map(str, one.shape))
    given = ", ".join(f"{name}={value}" for name, value in one.parameters.items() if not isinstance(value, dict))
    return one.name + (f" ({shape})" if shape else "") + (f" {given}" if given else "")


def _thresholds(bundle: "Bundle") -> str:
    if not bundle.thresholds:
        return "the likeliest class"
    return ", ".join(f"{name} over {value:.2f}" for name, value in bundle.thresholds.items())


def _measured(model: "KnownModel", report: Mapping[str, Any] | None) -> Iterator[str]:
    """The metrics on test clips, with intervals where the run's report has them."""
    test = (report or {}).get("test", {})
    numbers = test or model.metrics
    spread = test.get("ci95", {})
    rows = [
        [f"  {one.words}", f"{numbers[name]:.3f}", "[{:.3f}, {:.3f}]".format(*spread[name]) if spread.get(name) else ""]
        for name, one in METRICS.items()
        if numbers.get(name) is not None
    ]
    if not rows:
        yield "\nmeasured: nothing at hand; `kedro models compare` asks it about today's test clips"
        return
    clips = f" of {test['n']} clips" if "n" in test else ""
    yield f"\nmeasured by its run on the test split{clips}:"
    yield table(["", "", ""], rows).lstrip("\n")


def _judged(decision: Mapping[str, Any] | None) -> Iterator[str]:
    if decision is None:
        yield "\ngate: no decision about it at hand"
        return
    against = f" beside {decision['champion']}" if decision.get("champion") else ""
    yield f"\ngate: {decision['decision']}{against}"
    yield from (f"  {reason}" for reason in decision["reasons"])


def _changes(version: str, ledger: Sequence[Promotion]) -> Iterator[str]:
    own = [entry for entry in ledger if version in {entry.before, entry.after, entry.refused}]
    yield "\nledger:" if own else "\nledger: it was never champion"
    for entry in own:
        yield f"  {change_in_words(entry)}"


def change_in_words(entry: Promotion) -> str:
    """Tell a line of the ledger."""
    before, after = (_end(one, number) for one, number in (
        (entry.before, entry.from_number), (entry.after, entry.to_number)
    ))  # fmt: skip
    who = f" by {entry.actor}" if entry.actor != UNKNOWN else ""
    cause = CAUSES.get(entry.cause, entry.cause)
    changed = f"{before} → {after}" if entry.refused is None else f"{entry.refused} refused beside {after}"
    return f"{entry.time[:16].replace('T', ' ')} {changed}, {cause}{who}: {entry.reason}"


def _end(version: str | None, number: str | None) -> str:
    if version is None:
        return "none"
    return version or f"version {number} of a former registry"


def to_json(value: Any) -> str:
    """Write it for programs."""
    return json.dumps(value, indent=2, ensure_ascii=False)
