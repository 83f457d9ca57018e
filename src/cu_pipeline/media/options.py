from pydantic import Field

from cu_pipeline.core.options import Options


class Limits(Options):
    """What a media file may cost; a file beyond a limit is refused.

    Attributes:
        max_bytes: largest file, in bytes.
        max_duration_s: longest clip, in seconds.
        max_pixels: most pixels in a frame, width times height.
        timeout_s: seconds of wall-clock time for one file.
        memory_mb: address space of a decoding process, in MiB.
    """

    max_bytes: int = Field(default=268_435_456, gt=0)
    max_duration_s: float = Field(default=600.0, gt=0)
    max_pixels: int = Field(default=35_389_440, gt=0)
    timeout_s: float = Field(default=60.0, gt=0)
    memory_mb: int = Field(default=2048, ge=256)
