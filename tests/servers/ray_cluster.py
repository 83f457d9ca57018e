"""A real Ray cluster of two nodes on this machine, of one core each, which this process has joined."""

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from cu_pipeline.compute.ray_cluster import connected

for _name, _value in {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}.items():
    os.environ.setdefault(_name, _value)  # Ray reads them once, when it is imported

ONE_NODE: Final = {"num_cpus": 1, "object_store_memory": 100 * 2**20}


@contextmanager
def two_nodes() -> Iterator[Any]:
    """Give the cluster, whose nodes can be taken away and added."""
    ray = pytest.importorskip("ray")
    from ray._private.utils import get_ray_address_file
    from ray.cluster_utils import Cluster

    Path(get_ray_address_file(None)).parent.mkdir(parents=True, exist_ok=True)  # the cluster notes its address there
    with tempfile.TemporaryDirectory(
        prefix="cu-ray-", ignore_cleanup_errors=True
    ) as folder:  # sockets' names are short
        head = ONE_NODE | {"include_dashboard": False, "temp_dir": folder}
        made = Cluster(initialize_head=True, head_node_args=head)
        connected(made.address, 0)  # before there is another node, so that this process is one of the head's
        made.add_node(**ONE_NODE)
        try:
            yield made
        finally:
            ray.shutdown()
            made.shutdown()
