"""Model cards in Hugging Face's format, Markdown under a YAML header, and as pages."""

from collections.abc import Iterator
from typing import Any

from cu_pipeline.evaluation.metrics import METRICS
from cu_pipeline.reports.model_card import ModelCard
from cu_pipeline.reports.templating import environment, number

_SPECIAL = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_{}[]<>|#"})
_LIBRARY = "cu-pipeline"


def markdown(card: ModelCard) -> str:
    """Write a card as the `README.md` of a model on a hub."""
    return f"---\n{_header(card)}\n---\n\n{_body(card)}"


def page(card: ModelCard) -> str:
    """Write a card as an HTML page that needs no other file and no network."""
    from markdown_it import MarkdownIt

    _, _, text = _body(card).partition("\n")  # the page has a heading of its own
    content = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    return environment().get_template("model_card.html.j2").render(card=card, content=content)


def _body(card: ModelCard) -> str:
    from jinja2 import ChainableUndefined

    # what earlier versions did not measure is left out
    plain = environment().overlay(autoescape=False, undefined=ChainableUndefined)
    plain.filters = plain.filters | {"md": literal, "ci": _with_interval, "number": number}
    return plain.get_template("model_card.md.j2").render(card=card, metrics=METRICS)


def literal(text: object) -> str:
    r"""Let Markdown show foreign text as it is.

    >>> literal("a|b <i>")
    'a\\|b \\<i\\>'
    """
    return " ".join(str(text).split()).translate(_SPECIAL)


def _with_interval(found: dict[str, Any], metric: str) -> str:
    value = found.get(metric)
    if value is None:
        return "–"
    low_high = (found.get("ci95") or {}).get(metric)
    return f"{value:.3f} ({low_high[0]:.3f} to {low_high[1]:.3f})" if low_high else f"{value:.3f}"


def _header(card: ModelCard) -> str:
    from huggingface_hub import ModelCardData

    languages = [name for name, _ in card.data.card.get("languages", []) if name != "unknown"]
    data = ModelCardData(
        language=languages or None,
        library_name=_LIBRARY,
        pipeline_tag=_task(card),
        tags=[card.bundle.family, "short-video", card.capability],
        model_name=f"{card.capability} {card.bundle.version}",
        eval_results=list(_results(card)),
    )
    return str(data.to_yaml()).strip()


def _task(card: ModelCard) -> str:
    return "video-classification" if card.data.card.get("clips", {}).get("with_media") else "text-classification"


def _results(card: ModelCard) -> Iterator[Any]:
    from huggingface_hub import EvalResult

    test = card.measured["test"]
    for name, one in METRICS.items():
        if test.get(name) is not None:
            yield EvalResult(
                task_type=_task(card),
                dataset_type=f"{_LIBRARY}-snapshot",
                dataset_name=f"{test['n']} test clips with labels by people",
                dataset_split="test",
                dataset_revision=card.data.snapshot,
                metric_type=name,
                metric_name=one.words,
                metric_value=round(float(test[name]), 6),
            )
