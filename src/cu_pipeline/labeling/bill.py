from collections.abc import Mapping

import pandas as pd

from cu_pipeline.core.records import AnnotatorKind

_NAMES = {
    AnnotatorKind.HUMAN.value: "people",
    AnnotatorKind.RULE.value: "rules",
    AnnotatorKind.MODEL.value: "the champion",
    AnnotatorKind.LLM.value: "the language model",
}


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
        by_source = ", ".join(f"{number} by {_NAMES[str(source)]}" for source, number in sources.items())
        lines.append(f"{name}: {sources.sum()} of {clips} clips have a label ({by_source or 'none'})")
    paid = annotations[annotations["capability"].isin(list(capabilities))]
    for source, group in paid.groupby("kind"):
        spent = group["price"].sum()
        lines.append(f"paid {_NAMES.get(str(source), source)}: ${spent:.4f} for {len(group)} opinions")
    return lines
