from pydantic import Field

from cu_pipeline.core.options import Options


class TrainOptions(Options):
    """Parameters of the train pipeline.

    Attributes:
        epochs: passes over the training clips at most; the epoch with the best validation loss is kept.
        patience: epochs without a better validation loss after which fitting stops.
        batch_size: clips a step.
        learning_rate: peak of the schedule.
        weight_decay: of AdamW.
        label_smoothing: share of the target that is spread over all classes.
        width: of the head's tokens.
        layers: of the head's transformer.
        heads: of its attention.
        dropout: share of activations dropped.
        modality_dropout: chance that a clip with video and text loses one of them.
        threads: CPU threads of torch; results repeat only at equal counts. 0: torch's own choice.
    """

    epochs: int = Field(40, ge=1)
    patience: int = Field(10, ge=1)
    batch_size: int = Field(32, ge=1)
    learning_rate: float = Field(3e-4, gt=0)
    weight_decay: float = Field(0.05, ge=0)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    width: int = Field(64, ge=8)
    layers: int = Field(1, ge=1, le=12)
    heads: int = Field(4, ge=1)
    dropout: float = Field(0.5, ge=0, lt=1)
    modality_dropout: float = Field(0.5, ge=0, lt=1)
    threads: int = Field(0, ge=0)
