"""When a cause is named, and when an estimate of quality is believed."""

from pydantic import Field

from cu_pipeline.core.options import Options, Share


class DiagnosisOptions(Options):
    """When a cause is named.

    Attributes:
        least_share: of a window's clips that must be of the new kind.
        least_z: how many standard errors, counted over creators, the change must be.
        topic_below: novel clips among which models tell apart less than this share of what they tell apart among the
            clips that they learned from are a new topic; else a new style.
        reuploads: share of requests about contents that were seen before, at least, and three times as many as before.
        mix_explains: share of the distance between old and new clips that other class shares must explain.
        clips: typical clips that are named.
    """

    least_share: Share = 0.02
    least_z: float = Field(default=3.0, gt=0)
    topic_below: Share = 0.5
    reuploads: Share = 0.1
    mix_explains: Share = 0.5
    clips: int = Field(default=50, ge=1)


class QualityOptions(Options):
    """When an estimate of quality is believed.

    Attributes:
        min_clips: of the window, and of those that the model learned from with a label by people.
        min_units: creators of either.
        min_audits: clips of the window that people labelled after they were drawn at random: from then on these count.
        feedback_is_random: whether who sends feedback looks at clips that were drawn at random, and not at those that
            caught an eye.
    """

    min_clips: int = Field(default=50, ge=2)
    min_units: int = Field(default=10, ge=2)
    min_audits: int = Field(default=20, ge=2)
    feedback_is_random: bool = False
