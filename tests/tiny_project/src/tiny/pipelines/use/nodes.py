from typing import Any

from tiny.helper import add


def increase(number: dict[str, int], use: dict[str, int]) -> dict[str, dict[str, Any]]:
    value = float(add(number["value"], use["step"]))
    intervals = {"accuracy": [0.0, value], "macro_f1": [0.0, value]}
    return {
        "topic": {
            "test": {"n": 1, "accuracy": value, "macro_f1": value, "ece": 0.0, "ci95": intervals},
            "classes": ["a", "b"],
            "confusion": [[1, 0], [0, 0]],
            "reliability": [{"confidence": 1.0, "accuracy": 1.0, "n": 1}],
        }
    }
