from typing import Annotated

from pydantic import Field

from cu_pipeline.core.options import Options

Share = Annotated[float, Field(ge=0, lt=1)]


class QueueOptions(Options):
    """Which clips people are asked about, and when their answers are taken.

    Attributes:
        max_clips: in the queue at a time.
        budget_usd: US dollars for all answers that were ever asked for, those of the queue included.
        redundancy: people who answer about each clip.
        random_share: of clips drawn at random from all that no person has labelled. They tell how good machines are.
        gold_share: of clips whose answer is known, mixed in to see how good the answers are.
        gold_accuracy: share of right answers to gold clips from which a batch is accepted.
        alpha: chance that a batch of people who are right that often is sent back without a person's look.
        batch_clips: clips that are accepted or sent back together.
    """

    max_clips: int = Field(default=200, ge=0)
    budget_usd: float = Field(default=20.0, ge=0)
    redundancy: int = Field(default=1, ge=1)
    random_share: float = Field(default=0.3, ge=0, le=1)
    gold_share: Share = 0.1
    gold_accuracy: float = Field(default=0.8, ge=0, le=1)
    alpha: float = Field(default=0.05, gt=0, lt=1)
    batch_clips: int = Field(default=50, ge=1)


class StudioOptions(Options):
    """How clips come to Label Studio.

    Attributes:
        project: title of the project there.
        media_url: address under which the files of `document_root` are served; "" for Label Studio's own serving
            of local files.
        document_root: folder that holds all media, relative to this project: Label Studio's
            LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT.
    """

    project: str = Field(default="cu-pipeline", min_length=1, max_length=50)
    media_url: str = ""
    document_root: str = "data"
