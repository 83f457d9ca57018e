"""The fusion head as an ONNX graph, so that answering needs no torch.

It is put together from a bundle's weights when these are loaded, as the encoders are, and gives what
`fusion_network.FusionHead` gives when it is not training.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from cu_pipeline.core.errors import BundleError
from cu_pipeline.features.onnx_network import Graph
from cu_pipeline.models.family import Weights

VALUES: Final = "values_"
PRESENT: Final = "present_"
"""How the names of inputs begin; the modality's name follows."""

LINEAR_RATE: Final = 4.0
"""Scales the experts' logits, so that one learning rate moves them faster than the transformer."""

_EPSILON: Final = 1e-5
_HIDDEN: Final = -1e9
"""Added to the attention's scores of tokens that are absent: less than any score, so that their share is 0."""

_KEPT: Final = 0
"""In a new shape: that length stays as it is."""


def fusion_model(config: Mapping[str, Any], weights: Weights) -> bytes:
    """Build the network from the features of clips to logits.

    Args:
        config: fields of `fusion_network.HeadConfig`.
        weights: by the names of `FusionHead`.

    Returns:
        An ONNX model: for each modality `values_NAME` float32 (batch, *shape) and `present_NAME` bool (batch), to the
        logits, float32 (batch, classes).

    Raises:
        BundleError: weights are absent, or have other shapes than the configuration says.
    """
    wanted = _shapes(config)
    given = {name: values.shape for name, values in weights.items()}
    if wrong := [name for name in sorted({*wanted, *given}) if wanted.get(name) != given.get(name)]:
        first = f"{wrong[0]} has shape {given.get(wrong[0])}, not {wanted.get(wrong[0])}"
        raise BundleError(f"weights do not fit the fusion head: {len(wrong)} of them differ; {first}")
    return _Head(config, weights).model()


def _shapes(config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """The shape of each weight of a head."""
    width, classes = config["width"], config["classes"]
    found: dict[str, tuple[int, ...]] = {}

    def linear(prefix: str, outputs: int, inputs: int) -> None:
        found.update({f"{prefix}weight": (outputs, inputs), f"{prefix}bias": (outputs,)})

    tokens = 1
    for name, shape in dict(config["inputs"]).items():
        steps = len(shape) > 1
        tokens += shape[0] + 1 if steps else 1
        found.update({f"mean_{name}": (shape[-1],), f"scale_{name}": (shape[-1],)})
        for layer in ["token_in", "trend_in"] if steps else ["token_in"]:
            linear(f"{layer}.{name}.", width, shape[-1])
        for layer in ["expert", "trend_expert"] if steps else ["expert"]:
            linear(f"{layer}.{name}.", classes, shape[-1])
    found["place"] = (tokens, width)
    for number in range(config["layers"]):
        prefix = f"mix.layers.{number}."
        linear(f"{prefix}self_attn.in_proj_", 3 * width, width)
        linear(f"{prefix}self_attn.out_proj.", width, width)
        linear(f"{prefix}linear1.", 2 * width, width)
        linear(f"{prefix}linear2.", width, 2 * width)
        for norm in ("norm1.", "norm2."):
            found.update({f"{prefix}{norm}weight": (width,), f"{prefix}{norm}bias": (width,)})
    found.update({"norm.weight": (width,), "norm.bias": (width,)})
    linear("out.", classes, width)
    return found


class _Head:
    """A head's graph in the making.

    Args:
        config: of the head.
        weights: of the head.
    """

    def __init__(self, config: Mapping[str, Any], weights: Weights) -> None:
        self._config = config
        self._weights = weights
        self._graph = Graph()

    def model(self) -> bytes:
        """Put it together: experts on each modality, and the transformer over the tokens of all."""
        graph, inputs = self._graph, dict(self._config["inputs"])
        experts, tokens, present = [], [self._first_token(next(iter(inputs)))], []
        for name, shape in inputs.items():
            here = graph.node("Unsqueeze", graph.node("Cast", PRESENT + name, to=1), self._whole("last", [1]))
            seen = self._standardised(name)
            if len(shape) > 1:
                said, read, count = self._sequence(name, seen, shape[0])
            else:
                said, read, count = self._single(name, seen)
            experts.append(graph.node("Mul", said, here))
            tokens.append(read)
            present.append(graph.node("Expand", here, self._whole(f"tokens_{count}", [1, count])))
        linear = experts[0] if len(experts) == 1 else graph.node("Sum", *experts)
        mixed = self._mixed(graph.node("Concat", *tokens, axis=1), graph.node("Concat", *present, axis=1))
        deep = self._linear(mixed, "out.")
        scaled = graph.node("Mul", linear, graph.weight("linear_rate", np.float32(LINEAR_RATE)))
        given: dict[str, tuple[Any, Sequence[str | int]]] = {}
        for name, shape in inputs.items():
            given[VALUES + name] = (np.float32, ["batch", *shape])
            given[PRESENT + name] = (np.bool_, ["batch"])
        return graph.model(given, graph.node("Add", scaled, deep), self._config["classes"])

    def _standardised(self, name: str) -> str:
        centred = self._graph.node("Sub", VALUES + name, self._weight(f"mean_{name}"))
        return self._graph.node("Div", centred, self._weight(f"scale_{name}"))

    def _single(self, name: str, seen: str) -> tuple[str, str, int]:
        """What the expert on a vector says, its token, and how many tokens that are."""
        said = self._linear(seen, f"expert.{name}.")
        read = self._linear(seen, f"token_in.{name}.")
        return said, self._graph.node("Unsqueeze", read, self._whole("last", [1])), 1

    def _sequence(self, name: str, seen: str, steps: int) -> tuple[str, str, int]:
        """What the experts on a sequence's mean and trend say, its tokens, and how many tokens that are."""
        graph = self._graph
        mean = graph.node("ReduceMean", seen, self._whole("last", [1]), keepdims=0)
        weighed = graph.node("Mul", seen, graph.weight(f"time_{name}", _time(steps)))
        trend = graph.node("ReduceSum", weighed, self._whole("last", [1]), keepdims=0)
        said = graph.node(
            "Add",
            self._linear(mean, f"expert.{name}."),
            self._linear(trend, f"trend_expert.{name}."),
        )
        read = self._linear(seen, f"token_in.{name}.")
        rising = graph.node("Unsqueeze", self._linear(trend, f"trend_in.{name}."), self._whole("last", [1]))
        return said, graph.node("Concat", read, rising, axis=1), steps + 1

    def _first_token(self, name: str) -> str:
        """The class token before its place is added: zeros (batch, 1, width)."""
        graph = self._graph
        batch = graph.node("Shape", PRESENT + name, start=0, end=1)
        shape = graph.node("Concat", batch, self._whole("one_token", [1, self._config["width"]]), axis=0)
        return graph.node("Expand", graph.weight("zero", np.float32(0)), shape)

    def _mixed(self, tokens: str, present: str) -> str:
        """Read all tokens into the class token, and normalise it: (batch, width)."""
        graph = self._graph
        hidden = graph.node("Add", tokens, self._weight("place"))
        absent = graph.node("Sub", graph.weight("all_there", np.float32(1)), present)
        bias = graph.node("Mul", absent, graph.weight("hidden", np.float32(_HIDDEN)))
        seen = graph.node("Pad", bias, self._whole("class_token", [0, 1, 0, 0]))  # the class token is always there
        mask = graph.node("Unsqueeze", seen, self._whole("all_heads_and_queries", [1, 2]))
        for layer in range(self._config["layers"]):
            prefix = f"mix.layers.{layer}."
            hidden = graph.node("Add", hidden, self._attention(self._norm(hidden, f"{prefix}norm1."), mask, prefix))
            wide = self._linear(self._norm(hidden, f"{prefix}norm2."), f"{prefix}linear1.")
            narrow = self._linear(graph.node("Relu", wide), f"{prefix}linear2.")
            hidden = graph.node("Add", hidden, narrow)
        first = graph.node("Gather", hidden, graph.weight("first", np.int64(0)), axis=1)
        return self._norm(first, "norm.")

    def _attention(self, states: str, mask: str, prefix: str) -> str:
        """Self-attention of several heads over the tokens that are there: (batch, tokens, width)."""
        graph, width, heads = self._graph, self._config["width"], self._config["heads"]
        both = self._linear(states, f"{prefix}self_attn.in_proj_")
        split = graph.node("Reshape", both, self._whole("by_head", [_KEPT, _KEPT, 3, heads, width // heads]))
        moved = graph.node("Transpose", split, perm=[2, 0, 3, 1, 4])
        query, key, value = (graph.node("Gather", moved, graph.weight(f"at_{at}", np.int64(at))) for at in range(3))
        alike = graph.node("MatMul", query, graph.node("Transpose", key, perm=[0, 1, 3, 2]))
        scaled = graph.node("Mul", alike, graph.weight("sharpness", np.float32((width // heads) ** -0.5)))
        shares = graph.node("Softmax", graph.node("Add", scaled, mask), axis=-1)
        heard = graph.node("Transpose", graph.node("MatMul", shares, value), perm=[0, 2, 1, 3])
        joined = graph.node("Reshape", heard, self._whole("joined", [_KEPT, _KEPT, width]))
        return self._linear(joined, f"{prefix}self_attn.out_proj.")

    def _norm(self, states: str, prefix: str) -> str:
        scale, bias = self._weight(f"{prefix}weight"), self._weight(f"{prefix}bias")
        return self._graph.node("LayerNormalization", states, scale, bias, axis=-1, epsilon=_EPSILON)

    def _linear(self, states: str, prefix: str) -> str:
        matrix = self._graph.weight(f"{prefix}weight", self._weights[f"{prefix}weight"].T)
        return self._graph.node("Add", self._graph.node("MatMul", states, matrix), self._weight(f"{prefix}bias"))

    def _weight(self, name: str) -> str:
        return self._graph.weight(name, self._weights[name])

    def _whole(self, name: str, values: Sequence[int]) -> str:
        return self._graph.weight(name, np.array(values, dtype=np.int64))


def _time(steps: int) -> Any:
    """Weights (steps, 1) of which a sum over a sequence is its least-squares slope, in units of half a clip."""
    time = np.linspace(-1, 1, steps, dtype=np.float32) if steps > 1 else np.zeros(1, dtype=np.float32)
    return (time / max(float(np.square(time).sum()), 1.0))[:, None].astype(np.float32)
