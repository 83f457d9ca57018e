from enum import StrEnum

from pydantic import Field

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.options import Options
from cu_pipeline.labeling.promise.options import GuaranteeOptions
from cu_pipeline.labeling.queue.options import QueueOptions, StudioOptions
from cu_pipeline.labeling.rules.options import NO_RULES, AnyRule
from cu_pipeline.prompting.calibration import CONTENT_FREE
from cu_pipeline.prompting.options import ClientOptions


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


class LlmOptions(Options):
    """How a language model labels the clips that no person has labelled.

    Attributes:
        enabled: whether it does so at all.
        kinds: of capabilities that it labels. The packaged model is left out of multi-label ones, where none of its
            answers was shown to be better than the base rate.
        client: which model.
        prompt: name of a file in `conf/base/prompts`, or `champion`: what the prompt lab found best, method included.
        method: a key of `prompting.methods.METHODS`.
        shots: examples that a method shows which shows any.
        max_clips: per capability; the clips beyond it stay without a label, and a warning counts them.
        max_characters: to which captions are cut.
        hide_class_names: whether the classes' own names in captions, except in hashtags, are hidden from the model,
            so that a caption cannot dictate its label.
        content_free: captions that say nothing, to calibrate by.
        contrast: the answer that a class of a multi-label capability is weighed against, and that says in examples
            and in writing that none holds: what clips show to which no class applies.
    """

    enabled: bool = True
    kinds: tuple[Kind, ...] = (Kind.SINGLE,)
    client: ClientOptions = ClientOptions()
    prompt: str = "bare"
    method: str = "score_content_free"
    shots: int = Field(default=6, ge=1)
    max_clips: int = Field(default=500, ge=0)
    max_characters: int = Field(default=300, ge=1)
    hide_class_names: bool = True
    content_free: tuple[str, ...] = Field(default=CONTENT_FREE, min_length=1)
    contrast: str = Field(default="everyday life", min_length=1)


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
