from collections.abc import Mapping

import pandas as pd

from cu_pipeline.core.records import AnnotatorKind
from cu_pipeline.labeling.sources.names import SOURCES


def priced(annotations: pd.DataFrame, human_price: float) -> pd.DataFrame:
    """Give annotations with a person's usual price, in US dollars, where the feed gives none."""
    human = annotations["kind"] == AnnotatorKind.HUMAN
    price = annotations["price"].fillna(0.0)
    return annotations.assign(price=price.mask(human & (price == 0), human_price))


def bill(labels: pd.DataFrame, annotations: pd.DataFrame, clips: int, capabilities: Mapping[str, object]) -> list[str]:
    """Say in words how many labels came from whom, and what was paid.

    Args:
        labels: the labels table.
        annotations: of all sources, with a price each.
        clips: usable ones.
        capabilities: the active ones, by name.
    """
    lines = []
    for name in capabilities:
        sources = labels.loc[labels["capability"] == name, "source"].value_counts()
        by_source = ", ".join(f"{number} by {SOURCES[str(source)]}" for source, number in sources.items())
        lines.append(f"{name}: {sources.sum()} of {clips} clips have a label ({by_source or 'none'})")
    paid = annotations[annotations["capability"].isin(list(capabilities))]
    for source, group in paid.groupby("kind"):
        spent = group["price"].sum()
        lines.append(f"paid {SOURCES[str(source)]}: ${spent:.4f} for {len(group)} opinions")
    return lines


def unused_words(unused: Mapping[str, float]) -> str:
    """Say what part of the money went to answers that are not used.

    >>> unused_words({"sent back": 2.16})
    'of which $2.16 for answers sent back'
    """
    parts = [f"${usd:.2f} for answers {state}" for state, usd in unused.items()]
    return f"of which {' and '.join(parts)}"
