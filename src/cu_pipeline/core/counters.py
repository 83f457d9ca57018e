"""What a run did, counted: clips decoded, models called, cache hits. Reset at the start of each run."""

from collections import Counter

_counts: Counter[str] = Counter()


def count(name: str, amount: int = 1) -> None:
    """Add `amount` to the counter `name`; an amount of 0 makes the counter show."""
    _counts[name] += amount


def counts() -> dict[str, int]:
    """List all counters of this process, sorted by name."""
    return dict(sorted(_counts.items()))


def reset() -> None:
    """Forget all counts."""
    _counts.clear()
