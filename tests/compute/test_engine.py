import pytest
from pydantic import ValidationError

from cu_pipeline.compute.engine import ComputeOptions, mapper_of
from cu_pipeline.compute.mapper import Spreader
from cu_pipeline.compute.ray_mapper import RayMapper
from cu_pipeline.compute.worker_pool import LocalMapper


def test_work_runs_on_this_machine_unless_ray_is_asked_for():
    assert isinstance(mapper_of(ComputeOptions()), LocalMapper)
    assert isinstance(mapper_of(ComputeOptions(engine="ray")), RayMapper)


def test_only_ray_spreads_jobs():
    assert not isinstance(mapper_of(ComputeOptions()), Spreader)
    assert isinstance(mapper_of(ComputeOptions(engine="ray")), Spreader)


@pytest.mark.parametrize("address", [None, "auto", "head.internal:6379", "ray://10.0.0.7:10001", "[::1]:6379"])
def test_addresses_of_clusters_are_allowed(address):
    assert ComputeOptions(engine="ray", address=address).address == address


@pytest.mark.parametrize("address", ["", "http://head:8265", "head", "local"])
def test_other_addresses_are_refused_in_words(address):
    with pytest.raises(ValidationError, match="Allowed: null"):
        ComputeOptions(engine="ray", address=address)
