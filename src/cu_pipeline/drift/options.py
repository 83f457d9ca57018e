from pydantic import AwareDatetime, Field

from cu_pipeline.core.options import Options
from cu_pipeline.core.records import Split


class DriftOptions(Options):
    """What is compared, and how sure a declared drift must be.

    Attributes:
        alpha: probability, at most, that drift is declared where there is none; it holds for all tests together.
        min_clips: fewer current clips than this, and nothing is tested.
        min_reference: fewer reference clips than this, and a test is left out.
        permutations: random relabellings behind each p-value.
        max_clips: a larger sample is thinned at random to this many clips; bounds time and memory.
        since: ignore predictions made before this moment.
        facts: numeric columns that are tested.
        reference_splits: clips that facts and embeddings are compared with: what the model learned from.
        prediction_splits: clips that predictions are compared with. Not `train`: a model is surer of clips it
            has learned from than of equally distributed new ones, which would raise a false alarm.
    """

    alpha: float = Field(default=0.05, gt=0, lt=1)
    min_clips: int = Field(default=20, ge=2)
    min_reference: int = Field(default=20, ge=2)
    permutations: int = Field(default=1999, ge=99)
    max_clips: int = Field(default=1000, ge=2)
    since: AwareDatetime | None = None
    facts: tuple[str, ...] = ("duration_s", "width", "height", "fps", "bytes", "text_length")
    reference_splits: tuple[Split, ...] = Field(default=(Split.TRAIN,), min_length=1)
    prediction_splits: tuple[Split, ...] = Field(default=(Split.VALIDATION,), min_length=1)
