"""Networks in ONNX Runtime, put together from packaged weights in the process that runs them.

A graph takes a fraction of a second to build, so it is kept in no file that could be stale, half written or in a folder
that is read-only.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.compute.worker_pool import usable_cores
from cu_pipeline.features.extractor import Vectors

MICROSOFT: Final = "com.microsoft"
"""Operators that ONNX Runtime has beyond ONNX's own."""

_OPSETS: Final = {"": 20, MICROSOFT: 1}
_IR_VERSION: Final = 10
_ERRORS_ONLY: Final = 3

Batch = Mapping[str, NDArray[Any]]
"""A network's inputs by name."""


class Graph:
    """An ONNX graph in the making: each node gives the name of its first output, for later nodes to read."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._weights: dict[str, Any] = {}

    def weight(self, name: str, values: Any) -> str:
        """Add a constant, once, and give its name."""
        from onnx import numpy_helper

        if name not in self._weights:
            self._weights[name] = numpy_helper.from_array(np.ascontiguousarray(values).reshape(np.shape(values)), name)
        return name

    def node(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node and name its output."""
        from onnx import helper

        output = f"{operator}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [output], domain=domain, **attributes))
        return output

    def model(self, inputs: Mapping[str, tuple[Any, Sequence[str | int]]], output: str, width: int) -> bytes:
        """Finish the graph.

        Args:
            inputs: name -> type, as NumPy names it, and shape, in which a text stands for any number.
            output: the node whose (batch, width) values the network gives.
            width: of its values.

        Returns:
            An ONNX model file.
        """
        import onnx
        from onnx import helper

        given = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(kind)), shape)
            for name, (kind, shape) in inputs.items()
        ]
        result = helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, ["batch", width])
        graph = helper.make_graph(self._nodes, "network", given, [result], list(self._weights.values()))
        opsets = [helper.make_opsetid(domain, version) for domain, version in _OPSETS.items()]
        made = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
        return bytes(made.SerializeToString())


class Network:
    """An ONNX model on the cores of this machine: a batch on each.

    Batches that run side by side wait for nobody, where threads inside an operator wait for each other at its end,
    which costs most while decoders use the same cores. What a batch gives does not depend on the number of threads.

    Args:
        model: an ONNX model file with one output.
        threads: batches at a time; 0: as many as `encoding_threads` says.
    """

    def __init__(self, model: bytes, threads: int = 0) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._threads = threads or encoding_threads()

    def run(self, batches: Iterable[Batch]) -> Iterator[Vectors]:
        """Give what the network makes of each batch, in order; any number of threads may call it."""
        return map(self._run, batches) if self._threads == 1 else self._pool.map(self._run, batches)

    def _run(self, batch: Batch) -> Vectors:
        found: Vectors = self._session.run(None, dict(batch))[0]
        return found

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._threads, thread_name_prefix="encoder")


def encoding_threads() -> int:
    """Tell how many cores encoders may use: `OMP_NUM_THREADS` where set, as torch has it, or all usable ones."""
    told = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(told) if told.isdecimal() and int(told) else usable_cores()
