"""Parameters of the gate."""

from pydantic import Field, field_validator

from cu_pipeline.core.options import Options
from cu_pipeline.evaluation.contest import is_column


class GateOptions(Options):
    """When a challenger is promoted, beside being shown better.

    Attributes:
        protected_slices: columns in no value of which a challenger may fall: `lang`, `feed`, `creator`, `modality`, or
            `metadata.KEY`.
        slice_margin: by which accuracy may fall there.
        calibration_bound: largest gap between mean confidence and accuracy; null: any.
        non_inferiority_margin: a challenger that is not worse by more than this is promoted where it reads fewer
            features, has a lower log-loss, or learned from what the service saw in an iteration of the loop. All that
            are promoted so in a row share it, until one is shown to be better; 0: only a better one is.
        force: capabilities whose challenger is promoted whatever the gate says; that is recorded.
    """

    protected_slices: tuple[str, ...] = ("lang",)
    slice_margin: float = Field(0.05, ge=0, lt=1)
    calibration_bound: float | None = Field(0.2, gt=0, lt=1)
    non_inferiority_margin: float = Field(0.0, ge=0, lt=0.5)
    force: tuple[str, ...] = ()

    @field_validator("protected_slices")
    @classmethod
    def _are_columns(cls, columns: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in columns if not is_column(name)]
        if unknown:
            raise ValueError(f"{', '.join(unknown)}: allowed are lang, feed, creator, modality and metadata.KEY")
        return columns
