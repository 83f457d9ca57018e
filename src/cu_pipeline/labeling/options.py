from pydantic import Field

from cu_pipeline.core.options import Options, Share
from cu_pipeline.labeling.guarantee.options import GuaranteeOptions
from cu_pipeline.labeling.people.options import ErrorOptions, PeopleOptions, QueueOptions, StudioOptions
from cu_pipeline.labeling.sources.rules import AnyRule
from cu_pipeline.llm.labels.options import LlmOptions
from cu_pipeline.models.zero_shot import ZeroShotOptions


class ChampionOptions(Options):
    """Whether the served models label clips that they have not learned from.

    Attributes:
        enabled: whether they do so at all.
        price: US dollars for one clip.
    """

    enabled: bool = False
    price: float = Field(default=0.0, ge=0)


class ZeroShotSourceOptions(ZeroShotOptions):
    """Whether the image-text model of `featurize.extractors.image_text` labels clips, and what it is told of classes.

    Attributes:
        enabled: whether it does so at all.
        price: US dollars for one clip.
    """

    enabled: bool = False
    price: float = Field(default=0.0, ge=0)


class LabelOptions(Options):
    """Parameters of the label pipeline.

    Attributes:
        people: what their labels cost and how they add up.
        rules: that label clips by their facts; functions in conf/base/rules.py come on top.
        along_least_right: how often a rule must be right, as people's labels of what the service saw tell, to label
            what iterations take along.
        champion: the served models as a source.
        zero_shot: an image-text model as a source.
        llm: a language model as a source.
        guarantee: what is guaranteed of labels that no person looks at.
        errors: how suspect labels are found.
        queue: which clips people are asked about.
        studio: how these come to Label Studio.
    """

    people: PeopleOptions = PeopleOptions()
    rules: tuple[AnyRule, ...] = ()
    along_least_right: Share = 0.65
    champion: ChampionOptions = ChampionOptions()
    zero_shot: ZeroShotSourceOptions = ZeroShotSourceOptions()
    llm: LlmOptions = LlmOptions()
    guarantee: GuaranteeOptions = GuaranteeOptions()
    errors: ErrorOptions = ErrorOptions()
    queue: QueueOptions = QueueOptions()
    studio: StudioOptions = StudioOptions()
