from tiny.helper import add


def increase(number: dict[str, int], use: dict[str, int]) -> dict[str, dict]:
    return {"topic": {"test": {"n": 1, "accuracy": float(add(number["value"], use["step"]))}}}
