from pydantic import Field

from cu_pipeline.core.options import Options


class ReportOptions(Options):
    """What the report shows.

    Attributes:
        title: of the page.
        thumbnails: clips in the strip that shows the data.
        duplicate_groups: groups of near-duplicates on the data card, at most.
        examples: right and wrong test clips of each capability, each at most.
        thumbnail_height: in pixels.
        timeout_s: seconds for one picture.
        memory_mb: of a worker that makes pictures.
    """

    title: str = "Content understanding"
    thumbnails: int = Field(default=24, ge=0)
    duplicate_groups: int = Field(default=12, ge=0)
    examples: int = Field(default=6, ge=0)
    thumbnail_height: int = Field(default=200, ge=16, le=1080)
    timeout_s: float = Field(default=30.0, gt=0)
    memory_mb: int = Field(default=2048, ge=256)
