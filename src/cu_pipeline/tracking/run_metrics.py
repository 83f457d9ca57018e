"""How the numbers of a run are named in MLflow: few for the run, so that runs compare, all for each capability.

MLflow lists metrics by the alphabet and groups charts by what stands before the last `/`. A run has
`CAPABILITY/test/…`, `CAPABILITY/gate/…`, `drift/…` and `total/…`. The run of a capability inside it, and the model,
have every number: there `accuracy` is the test split's, and other places stand before it, as in `train/accuracy`.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from cu_pipeline.core.keys import tracking_key

Numbers = dict[str, float]

_MAIN: Final = ("accuracy", "macro_f1", "ece", "log_loss")
"""Metrics of the test split that each run shows."""

_DECIMALS: Final = 4
"""Of what a run shows: its table writes all digits. Models and `metrics.json` have them."""

_BESIDE: Final = ("train", "validation", "cross_fitted")


def main_metrics(report: Mapping[str, Mapping[str, Any]]) -> Numbers:
    """Name what each run shows of the `metrics` dataset.

    `CAPABILITY/test/NAME` is of the model that the run trained, whether or not it is served, so that runs compare;
    `accuracy_low` and `accuracy_high` are the ends of its interval, `best_baseline` is the best baseline's accuracy.
    `CAPABILITY/champion/accuracy` is of the served model, where that is another.
    """
    flat: Numbers = {}
    for capability, found in report.items():
        trained = found.get("challenger", found)
        test = trained.get("test", {})
        numbers = _numbers({name: test.get(name) for name in _MAIN})
        numbers |= _interval("accuracy", (test.get("ci95") or {}).get("accuracy"))
        baselines = [scores["accuracy"] for scores in found.get("baselines", {}).values() if "accuracy" in scores]
        numbers |= {"best_baseline": float(max(baselines))} if baselines and test else {}
        flat |= {f"{tracking_key(capability)}/test/{name}": value for name, value in numbers.items()}
        if trained is not found and "test" in found:
            flat |= {f"{tracking_key(capability)}/champion/accuracy": float(found["test"]["accuracy"])}
        cross_fitted = _numbers({"accuracy": (trained.get("cross_fitted") or {}).get("accuracy")})
        flat |= {f"{tracking_key(capability)}/cross_fitted/{name}": value for name, value in cross_fitted.items()}
    return flat


def model_metrics(found: Mapping[str, Any]) -> dict[str, Numbers]:
    """Name all numbers of the model that was trained, from a capability's part of the `metrics` dataset.

    Returns:
        Split -> name -> value; the names are unlike between splits. What is of no split, such as baselines, stands by
        the test split, on which it was measured.
    """
    trained = found.get("challenger", found)
    splits = {split: _places(trained, split, f"{split}/") for split in _BESIDE}
    test = _places(trained, "test", "")
    test |= {f"skill/{name}": value for name, value in _numbers(trained.get("skill", {})).items()}
    for when, scores in (trained.get("calibration") or {}).items():
        test |= {f"calibration_{when}/{name}": value for name, value in _numbers(scores or {}).items()}
    for baseline, scores in found.get("baselines", {}).items():
        test |= {f"baseline/{baseline}/{name}": value for name, value in _numbers(scores).items()}
    return {split: numbers for split, numbers in (splits | {"test": test}).items() if numbers}


def _places(trained: Mapping[str, Any], split: str, prefix: str) -> Numbers:
    scores = trained.get(split) or {}
    numbers = _numbers(scores)
    for name, ends in (scores.get("ci95") or {}).items():
        numbers |= _interval(name, ends)
    return {f"{prefix}{name}": value for name, value in numbers.items()}


def gate_metrics(row: Mapping[str, Any]) -> tuple[Numbers, Numbers]:
    """Name the numbers of one capability's decision in the `gate` dataset, of those that there are.

    Returns:
        Those that each run shows, and the others.
    """
    main = _numbers({name: row[name] for name in ("p_value", "effect")})
    main |= {"promoted": float(row["decision"] == "promote")}
    others = _numbers({name: row[name] for name in ("alpha", "effect_shrunk")}) | _interval("effect", row["interval"])
    power, account = row["power"] or {}, row["account"] or {}
    others |= _numbers({name: power.get(name) for name in ("units", "smallest_gain", "more_clips")})
    others |= _numbers({"alpha_spent": account.get("spent")}) | {"forced": float(row["forced"])}
    return main, others


def selection_metrics(rows: Iterable[Mapping[str, Any]]) -> Numbers:
    """Name the numbers of one capability's part of the `model_selection` dataset: `selection/FAMILY/NAME`."""
    return {
        f"selection/{row['family']}/{name}": float(row[name])
        for row in rows
        for name in ("loss", "worse_by", "standard_error")
        if row[name] is not None
    }


def drift_metrics(found: Mapping[str, Any]) -> Numbers:
    """Name the numbers of the `drift` dataset: how many tests found drift, and the least corrected p-value."""
    tests = found.get("tests", [])
    if not tests:
        return {}
    least = min((test["p_adjusted"] for test in tests if test["p_adjusted"] is not None), default=None)
    drifted = sum(bool(test["drifted"]) for test in tests)
    return {"drift/drifted": float(drifted)} | _numbers({"drift/least_p_adjusted": least})


def money_metrics(found: Mapping[str, Any]) -> Numbers:
    """Name what all labels of the data have cost, from the `label_summary` dataset."""
    return _numbers({"total/usd": found["money"]["total"]["usd"]})


def shown(numbers: Numbers) -> Numbers:
    """Round numbers for the table of runs.

    >>> shown({"topic/test/accuracy": 0.8163265306122449})
    {'topic/test/accuracy': 0.8163}
    """
    return {name: round(value, _DECIMALS) for name, value in numbers.items()}


def _interval(name: str, ends: Any) -> Numbers:
    return _numbers({f"{name}_low": ends[0], f"{name}_high": ends[1]}) if ends else {}


def _numbers(scores: Mapping[str, Any]) -> Numbers:
    """Leave out what is no number."""
    return {
        name: float(value)
        for name, value in scores.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
