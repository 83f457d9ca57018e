"""all-MiniLM-L6-v2 as an ONNX graph.

Architecture: Wang et al., "MiniLM" (NeurIPS 2020), a small BERT; Reimers & Gurevych, "Sentence-BERT" (EMNLP 2019), for
the mean of the token states as the text's vector.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.features.onnx_network import MICROSOFT, Graph

WIDTH: Final = 384
IDS: Final = "ids"
MASK: Final = "mask"
_LAYERS: Final = 6
_HEADS: Final = 12
_EPSILON: Final = 1e-12

Weights = Mapping[str, NDArray[Any]]


def text_model(weights: Weights) -> bytes:
    """Build the network from tokens to vectors.

    Args:
        weights: by the names of transformers' `BertModel`.

    Returns:
        An ONNX model: `ids` and `mask`, int32 (batch, tokens), the mask 0 behind a text's end, to the mean of the
        token states scaled to length 1, float32 (batch, 384).
    """
    graph = Graph()
    hidden = _embedded(graph, weights)
    for layer in range(_LAYERS):
        prefix = f"encoder.layer.{layer}."
        heads = _attention(graph, weights, hidden, f"{prefix}attention.self.")
        hidden = _joined(graph, weights, (heads, hidden), f"{prefix}attention.output.")
        wide = graph.node("MatMul", hidden, _matrix(graph, weights, f"{prefix}intermediate.dense."))
        active = graph.node("Gelu", graph.node("Add", wide, _bias(graph, weights, f"{prefix}intermediate.dense.")))
        hidden = _joined(graph, weights, (active, hidden), f"{prefix}output.")
    shape = ("batch", "tokens")
    return graph.model({IDS: (np.int32, shape), MASK: (np.int32, shape)}, _mean(graph, hidden), WIDTH)


def _embedded(graph: Graph, weights: Weights) -> str:
    """The sum of a token's and its place's vectors; every text is of the first kind."""
    names = ("word_embeddings", "position_embeddings", "token_type_embeddings")
    words, places, kinds = (weights[f"embeddings.{name}.weight"] for name in names)
    word = graph.node("Gather", graph.weight("words", words), IDS)
    start, length = graph.weight("start", np.array([0])), graph.node("Shape", IDS, start=1, end=2)
    place = graph.node("Slice", graph.weight("places", places + kinds[0]), start, length)
    return graph.node(
        "LayerNormalization",
        graph.node("Add", word, place),
        *_norm(graph, weights, "embeddings.LayerNorm."),
        epsilon=_EPSILON,
    )


def _attention(graph: Graph, weights: Weights, hidden: str, prefix: str) -> str:
    """Self-attention, with the projections to queries, keys and values as one product."""
    kinds = ("query", "key", "value")
    matrix = np.concatenate([weights[f"{prefix}{kind}.weight"].T for kind in kinds], axis=1)
    bias = np.concatenate([weights[f"{prefix}{kind}.bias"] for kind in kinds])
    projections = graph.weight(f"{prefix}weight", matrix), graph.weight(f"{prefix}bias", bias)
    return graph.node("Attention", hidden, *projections, MASK, domain=MICROSOFT, num_heads=_HEADS)


def _joined(graph: Graph, weights: Weights, states: tuple[str, str], prefix: str) -> str:
    """Project new states, add those of before and normalise the sum."""
    new, before = states
    return graph.node(
        "SkipLayerNormalization",
        graph.node("MatMul", new, _matrix(graph, weights, f"{prefix}dense.")),
        before,
        *_norm(graph, weights, f"{prefix}LayerNorm."),
        _bias(graph, weights, f"{prefix}dense."),
        domain=MICROSOFT,
        epsilon=_EPSILON,
    )


def _mean(graph: Graph, hidden: str) -> str:
    """The mean of the states of a text's tokens, scaled to length 1."""
    mask = graph.node("Unsqueeze", graph.node("Cast", MASK, to=1), graph.weight("last", np.array([2])))
    along = graph.weight("along", np.array([1]))
    total = graph.node("ReduceSum", graph.node("Mul", hidden, mask), along, keepdims=0)
    mean = graph.node("Div", total, graph.node("ReduceSum", mask, along, keepdims=0))
    return graph.node("LpNormalization", mean, axis=1, p=2)


def _matrix(graph: Graph, weights: Weights, prefix: str) -> str:
    return graph.weight(f"{prefix}weight", weights[f"{prefix}weight"].T)


def _bias(graph: Graph, weights: Weights, prefix: str) -> str:
    return graph.weight(f"{prefix}bias", weights[f"{prefix}bias"])


def _norm(graph: Graph, weights: Weights, prefix: str) -> tuple[str, str]:
    names = (f"{prefix}weight", f"{prefix}bias")
    return graph.weight(names[0], weights[names[0]]), graph.weight(names[1], weights[names[1]])
