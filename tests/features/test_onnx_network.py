import numpy as np
import pytest

from cu_pipeline.compute.worker_pool import usable_cores
from cu_pipeline.features.onnx_network import Graph, Network, encoding_threads


def doubling() -> bytes:
    """A network that gives twice its input of two numbers."""
    graph = Graph()
    twice = graph.node("Mul", "given", graph.weight("two", np.float32(2)))
    return graph.model({"given": (np.float32, ("batch", 2))}, twice, width=2)


@pytest.mark.parametrize("threads", [1, 3])
def test_batches_of_any_size_come_back_in_order(threads):
    batches = [np.full((size, 2), size, dtype=np.float32) for size in (1, 5, 2, 9, 1, 3, 4)]
    found = list(Network(doubling(), threads).run({"given": batch} for batch in batches))
    assert [len(one) for one in found] == [len(batch) for batch in batches]
    np.testing.assert_array_equal(np.concatenate(found), 2 * np.concatenate(batches))


def test_a_constant_is_stored_once():
    graph = Graph()
    names = [graph.weight("large", np.ones(1000, dtype=np.float32)) for _ in range(3)]
    summed = graph.node("Sum", "given", *names)
    assert len(graph.model({"given": (np.float32, ("batch", 1000))}, summed, width=1000)) < 2 * 4000


@pytest.mark.parametrize(("told", "expected"), [("3", 3), ("2,4", 2), ("", None), ("0", None), ("many", None)])
def test_encoders_use_as_many_cores_as_openmp_is_told(monkeypatch, told, expected):
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    assert encoding_threads() == (expected or usable_cores())
