from typing import Annotated

from pydantic import AwareDatetime, Field

from cu_pipeline.core.options import Options, Share
from cu_pipeline.core.records import Split
from cu_pipeline.drift.diagnosis_options import DiagnosisOptions, QualityOptions


class WindowOptions(Options):
    """Which part of the traffic is compared.

    Attributes:
        clips: the window `latest` has so many distinct clips, at most.
        days: and none that is older than this, counted from the latest one.
    """

    clips: int = Field(default=1000, ge=20)
    days: float = Field(default=30.0, gt=0)


class LookOptions(Options):
    """How the chance of a false alarm is divided among looks at a log that grows.

    Attributes:
        horizon_days: in no period of so many days is the chance of any false alarm larger than `alpha`.
        every_days: how often a look is planned; each gets the share of `alpha` of the days since the one before.
        extra: part of `alpha` for looks that come sooner, and for the first one.
    """

    horizon_days: float = Field(default=30.0, gt=0)
    every_days: float = Field(default=1.0, gt=0)
    extra: Share = 0.25


class LeastEffects(Options):
    """Changes that are smaller than these are no drift, however sure they are.

    Attributes:
        fact: gap of two distribution functions.
        missing: change of the share of clips without a part.
        language: share of clips that changed language.
        embedding: distance of means, in standard deviations.
        novelty: change of the share of clips far from the reference.
        label: share of clips that changed class.
        confidence: gap of two distribution functions.
        abstention: change of the share of clips that a model says nothing of.
        reuploads: rise of the share of answers about clips that were sent shortly before.
        rejected: rise of the share of requests that are refused, for any reason or all of them.
        latency: rise of the share of answers that are slower than usual.
        other: any other kind.
    """

    fact: float = Field(default=0.05, ge=0)
    missing: float = Field(default=0.01, ge=0)
    language: float = Field(default=0.02, ge=0)
    embedding: float = Field(default=0.15, ge=0)
    novelty: float = Field(default=0.02, ge=0)
    label: float = Field(default=0.03, ge=0)
    confidence: float = Field(default=0.1, ge=0)
    abstention: float = Field(default=0.02, ge=0)
    reuploads: float = Field(default=0.05, ge=0)
    rejected: float = Field(default=0.05, ge=0)
    latency: float = Field(default=0.25, ge=0)
    other: float = Field(default=0.05, ge=0)

    def of(self, kind: str) -> float:
        """The least effect of tests of a kind."""
        return float(getattr(self, kind, self.other))


class HistoryOptions(Options):
    """How much of the history of looks is kept, and what the page shows.

    Attributes:
        most: looks that are kept, in the history and in Evidently's workspace; the oldest go.
        thumbnails: clips that are shown of a cause, and as many of what the models learned from; 0: none.
        thumbnail_height: in pixels.
        timeout_s: seconds for one picture.
        memory_mb: of a worker that makes pictures.
    """

    most: int = Field(default=60, ge=1)
    thumbnails: int = Field(default=6, ge=0, le=50)
    thumbnail_height: int = Field(default=160, ge=16, le=1080)
    timeout_s: float = Field(default=30.0, gt=0)
    memory_mb: int = Field(default=2048, ge=256)


class DriftOptions(Options):
    """What is compared, and how sure a declared drift must be.

    Attributes:
        alpha: probability, at most, that drift is declared where there is none, in `looks.horizon_days`; it holds for
            all tests and looks together.
        min_clips: fewer current clips than this, and nothing is tested.
        min_units: fewer creators than this among them, and nothing is tested.
        min_reference: fewer reference clips than this, and a test is left out.
        permutations: random relabellings behind each p-value; more are drawn where one is small.
        max_clips: larger samples are thinned, by creators, to so many clips; bounds time and memory.
        since: ignore predictions made before this moment.
        facts: numeric columns that are tested.
        reference_splits: clips that facts and embeddings are compared with: what the model learned from.
        prediction_splits: clips that predictions are compared with. References hold only what a model says of clips
            that it has not seen: it is surer of others, which would raise a false alarm.
        windows: parts of the traffic.
        looks: how often it is looked at.
        least_effects: what is too small to count.
        diagnosis: when a cause is named.
        quality: when an estimate of quality is believed.
        history: what is kept of looks, and what the page shows.
    """

    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.05
    min_clips: int = Field(default=20, ge=2)
    min_units: int = Field(default=10, ge=2)
    min_reference: int = Field(default=20, ge=2)
    permutations: int = Field(default=1999, ge=99)
    max_clips: int = Field(default=3000, ge=20)
    since: AwareDatetime | None = None
    facts: tuple[str, ...] = ("duration_s", "width", "height", "fps", "bytes", "text_length")
    reference_splits: tuple[Split, ...] = Field(default=(Split.TRAIN,), min_length=1)
    prediction_splits: tuple[Split, ...] = Field(default=(Split.VALIDATION,), min_length=1)
    windows: WindowOptions = WindowOptions()
    looks: LookOptions = LookOptions()
    least_effects: LeastEffects = LeastEffects()
    diagnosis: DiagnosisOptions = DiagnosisOptions()
    quality: QualityOptions = QualityOptions()
    history: HistoryOptions = HistoryOptions()
