"""How the engine shares the machine among requests."""

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import Field

from cu_pipeline.compute.worker_pool import usable_cores
from cu_pipeline.core.options import Options
from cu_pipeline.media.options import Limits


class EngineOptions(Options):
    """Options of the engine in each worker of the service; variables begin with `CU_PIPELINE_ENGINE_`.

    Attributes:
        decoders: processes that decode; 0: one for each of this worker's cores.
        encoders: threads that encode and score videos; 0: likewise.
        decode_budget_s: seconds that decoding one clip may take; waiting for a decoder does not count.
        decode_memory_mb: address space of a decoder, in MiB.
        quick_pixels: clips of which more must be decoded leave one decoder to the others; 0: all clips are alike.
        text_deadline_s: seconds from a request without video to its answer.
        video_deadline_s: seconds from a request with video to its answer.
        text_batch: most captions that are encoded and scored together.
        text_wait_ms: milliseconds that a caption waits for others to come.
        video_batch: most videos that are encoded and scored together.
        video_wait_ms: milliseconds that a decoded video waits for others to come.
        most_waiting: most requests in a lane, however fast they are answered.
    """

    decoders: int = Field(0, ge=0, le=256)
    encoders: int = Field(0, ge=0, le=256)
    decode_budget_s: float = Field(5.0, gt=0, le=600)
    decode_memory_mb: int = Field(2048, ge=256)
    quick_pixels: int = Field(400_000_000, ge=0)
    text_deadline_s: float = Field(5.0, gt=0, le=600)
    video_deadline_s: float = Field(20.0, gt=0, le=600)
    text_batch: int = Field(16, ge=1, le=1024)
    text_wait_ms: float = Field(0.0, ge=0, le=1000)
    video_batch: int = Field(4, ge=1, le=1024)
    video_wait_ms: float = Field(0.0, ge=0, le=1000)
    most_waiting: int = Field(256, ge=1)


@dataclass(frozen=True)
class EngineSettings:
    """What one worker's engine runs with.

    Attributes:
        bundles: folder with one bundle in a subfolder for each capability.
        workers: of the service, which share this machine's cores.
        options: how.
    """

    bundles: Path
    workers: int = 1
    options: EngineOptions = field(default_factory=EngineOptions)

    @property
    def cores(self) -> int:
        """Those that this worker may use."""
        return max(usable_cores() // self.workers, 1)

    @property
    def decoders(self) -> int:
        """Processes that decode."""
        return self.options.decoders or self.cores

    @property
    def encoders(self) -> int:
        """Threads that encode and score videos: while one scores, which is Python, another one encodes."""
        return self.options.encoders or max(self.cores, 2)

    @property
    def limits(self) -> Limits:
        """Of media."""
        return Limits(timeout_s=self.options.decode_budget_s, memory_mb=self.options.decode_memory_mb)
