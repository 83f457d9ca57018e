from pydantic import Field

from cu_pipeline.core.options import Options
from cu_pipeline.dedup.matching import DuplicateOptions
from cu_pipeline.ingest.feed_change import SAMPLE as GENERATED
from cu_pipeline.ingest.options import FetchOptions, LanguageOptions, Places
from cu_pipeline.media.options import Limits
from cu_pipeline.sample.options import SampleOptions
from cu_pipeline.splitting.options import SplitOptions


class CheckOptions(Options):
    """What is warned about.

    Attributes:
        rare_class: a class with fewer clips that people labelled, in any split; 0: never.
    """

    rare_class: int = Field(default=5, ge=0)


class CollectOptions(Options):
    """Parameters of the collect pipeline.

    Attributes:
        manifest: where clips come from, one or several sources (a list, or one text with `;` between them) that add up:
            `sample` for the generated feed, `folder:PLACE` for a folder of CLASS/clip.mp4, `webdataset:PLACE` for tar
            shards, `huggingface:PLACE` for a dataset saved on disk, `sql:URL#TABLE` for a database, else the path or
            address of a manifest (CSV, TSV, JSON Lines, Parquet).
        fetch: how media behind addresses are fetched.
        limits: what a media file may cost; one beyond is refused.
        duplicates: when two clips are copies of one another.
        language: of captions.
        split: how clips are divided.
        checks: what is warned about.
        sample: of the generated feed.
        replace: whether a feed that shares no clip with what is stored may take its place; `kedro run --replace` says
            so for one run.
    """

    manifest: Places = (GENERATED,)
    fetch: FetchOptions = FetchOptions()
    limits: Limits = Limits()
    duplicates: DuplicateOptions = DuplicateOptions()
    language: LanguageOptions = LanguageOptions()
    split: SplitOptions = SplitOptions()
    checks: CheckOptions = CheckOptions()
    sample: SampleOptions = SampleOptions()
    replace: bool = False
