"""Where work on clips runs: the one place that knows the kinds of `Mapper`."""

import re
from typing import Final, Literal

from pydantic import Field, field_validator

from cu_pipeline.compute.mapper import Mapper
from cu_pipeline.compute.ray_mapper import RayMapper
from cu_pipeline.compute.worker_pool import LocalMapper
from cu_pipeline.core.options import Options

_ADDRESS: Final = re.compile(r"auto|ray://\S+|[\w.-]+:\d{1,5}|\[[0-9a-fA-F:.]+\]:\d{1,5}")


class ComputeOptions(Options):
    """What work on clips, fits of networks and the packaged language model run on.

    Attributes:
        engine: `local`, processes of this machine; or `ray`, a Ray cluster.
        address: of the Ray cluster; None starts one on this machine, `auto` joins the one that runs on it.
        workers: clips worked on at a time; 0: one per core, of this machine or of the cluster. On a cluster also the
            processes of a fit; 0: one for each GPU, or for each machine.
    """

    engine: Literal["local", "ray"] = "local"
    address: str | None = None
    workers: int = Field(default=0, ge=0)

    @field_validator("address")
    @classmethod
    def _names_a_cluster(cls, given: str | None) -> str | None:
        if given is not None and not _ADDRESS.fullmatch(given):
            raise ValueError(
                "no address of a Ray cluster. Allowed: null (start one on this machine), auto (the one that runs on "
                "it), HOST:PORT, ray://HOST:PORT"
            )
        return given


def mapper_of(options: ComputeOptions) -> Mapper:
    """Choose what maps functions over clips. Nothing starts before the first item."""
    if options.engine == "ray":
        return RayMapper(options.address, options.workers)
    return LocalMapper(options.workers)
