from enum import StrEnum
from typing import Annotated

from pydantic import Field, field_validator

from cu_pipeline.core.options import Options
from cu_pipeline.labeling.people.selection import STRATEGIES

Share = Annotated[float, Field(ge=0, lt=1)]


class Method(StrEnum):
    """How the answers of several people become one."""

    MAJORITY = "majority"
    DAWID_SKENE = "dawid_skene"


class PeopleOptions(Options):
    """What people's labels cost and how far they are trusted.

    Attributes:
        price: US dollars for one person's label that the queue asks for.
        method: `majority`: all people count alike; `dawid_skene`: by the errors they are estimated to make.
        smoothing: of the majority: weight of the even prior against one vote; with it a lone vote is not taken
            for certain.
        confusion_smoothing: of Dawid and Skene's model: weight in votes of the average person's errors in the
            estimate of each person's.
        draws: bootstrap resamples behind the intervals of agreement.
    """

    price: float = Field(default=0.04, ge=0)
    method: Method = Method.MAJORITY
    smoothing: float = Field(default=0.5, gt=0)
    confusion_smoothing: float = Field(default=4.0, gt=0)
    draws: int = Field(default=400, ge=40)


class ErrorOptions(Options):
    """How people's labels that are most likely wrong are looked for.

    Attributes:
        most: of them that are listed for a capability.
        doubtful: probability of being right below which a label is listed.
        folds: of the cross-validation that gives probabilities without a clip's own label.
        slip: how often the feed's own label, which else counts as the truth, is taken to be wrong.
    """

    most: int = Field(default=20, ge=0)
    doubtful: float = Field(default=0.9, gt=0, le=1)
    folds: int = Field(default=5, ge=2)
    slip: float = Field(default=0.02, gt=0, lt=0.5)


class QueueOptions(Options):
    """Which clips people are asked about, and when their answers are taken.

    Attributes:
        max_clips: in the queue at a time.
        budget_usd: US dollars for all answers that were ever asked for, those of the queue included.
        redundancy: people who answer about each clip.
        strategy: how the other clips are chosen, a name of `selection.STRATEGIES`.
        random_share: of clips drawn at random from all that no person has labelled. They measure other sources.
        gold_share: of clips whose answer is known, mixed in to see how good the answers are.
        gold_accuracy: share of right answers to gold clips from which a batch is accepted.
        alpha: chance that a batch of people who are right that often is sent back without a person's look.
        batch_clips: clips that are accepted or sent back together.
    """

    max_clips: int = Field(default=200, ge=0)
    budget_usd: float = Field(default=20.0, ge=0)
    redundancy: int = Field(default=1, ge=1)
    strategy: str = "combined"
    random_share: float = Field(default=0.1, ge=0, le=1)
    gold_share: Share = 0.1
    gold_accuracy: float = Field(default=0.8, ge=0, le=1)
    alpha: float = Field(default=0.05, gt=0, lt=1)
    batch_clips: int = Field(default=50, ge=1)

    @field_validator("strategy")
    @classmethod
    def _is_known(cls, strategy: str) -> str:
        if strategy not in STRATEGIES:
            raise ValueError(f"{strategy!r} is unknown: choose one of {', '.join(STRATEGIES)}")
        return strategy


class StudioOptions(Options):
    """How clips come to Label Studio.

    Attributes:
        project: title of the project there.
        media_url: address under which the files of `document_root` are served; "" for Label Studio's own serving
            of local files.
        document_root: folder that holds all media, relative to this project: Label Studio's
            LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT. "": found from where the feed's media lie.
    """

    project: str = Field(default="cu-pipeline", min_length=1, max_length=50)
    media_url: str = ""
    document_root: str = ""
