from enum import StrEnum

from pydantic import Field

from cu_pipeline.core.options import Options
from cu_pipeline.labeling.promise.options import GuaranteeOptions
from cu_pipeline.labeling.queue.options import QueueOptions, StudioOptions
from cu_pipeline.labeling.rules.options import NO_RULES, AnyRule
from cu_pipeline.llm.labels.options import LlmOptions


class Method(StrEnum):
    """How the answers of several people become one."""

    MAJORITY = "majority"
    DAWID_SKENE = "dawid_skene"


class PeopleOptions(Options):
    """What people's labels cost and how far they are trusted.

    Attributes:
        price: US dollars for one person's label where the feed gives no price.
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


class ChampionOptions(Options):
    """Whether the served models label clips that they have not learned from.

    Attributes:
        enabled: whether they do so at all.
        price: US dollars for one clip.
    """

    enabled: bool = False
    price: float = Field(default=0.0, ge=0)


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


class LabelOptions(Options):
    """Parameters of the label pipeline.

    Attributes:
        people: what their labels cost and how they add up.
        rules: that label clips by their facts; functions in conf/base/rules.py come on top.
        champion: the served models as a source.
        llm: a language model as a source.
        guarantee: what is promised of labels that no person looks at.
        errors: how suspect labels are found.
        queue: which clips people are asked about.
        studio: how these come to Label Studio.
    """

    people: PeopleOptions = PeopleOptions()
    rules: tuple[AnyRule, ...] = NO_RULES
    champion: ChampionOptions = ChampionOptions()
    llm: LlmOptions = LlmOptions()
    guarantee: GuaranteeOptions = GuaranteeOptions()
    errors: ErrorOptions = ErrorOptions()
    queue: QueueOptions = QueueOptions()
    studio: StudioOptions = StudioOptions()
