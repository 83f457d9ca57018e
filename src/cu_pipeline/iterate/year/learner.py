"""A model that is fitted again on more labels: what the other policies of the year do, without a loop around it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pandas as pd

from cu_pipeline.compute.mapper import Mapper
from cu_pipeline.core.capability import Capability
from cu_pipeline.core.hashing import unit_interval
from cu_pipeline.core.records import CLIPS, AnnotatorKind, Split, blank, table
from cu_pipeline.features.extract import contents_of, extract_missing
from cu_pipeline.features.extractor import Extractor
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.inference.predictions_table import predict_table
from cu_pipeline.media.options import Limits
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.models.families import TrainOptions
from cu_pipeline.models.training import TrainingData, train

_VALIDATION: Final = 0.15
_LABELLED: Final = ("label", "probabilities", "source")


@dataclass(frozen=True)
class Workshop:
    """What models are fitted with, the same for all policies.

    Attributes:
        store: of features, shared, so that a clip is looked at once.
        extractors: those in use, by name.
        options: of training.
        limits: of decoding one clip.
        mapper: decodes.
        seed: of every random choice.
    """

    store: FeatureStore
    extractors: Mapping[str, Extractor]
    options: TrainOptions
    limits: Limits
    mapper: Mapper
    seed: int

    def featurize(self, clips: pd.DataFrame) -> None:
        """Compute what the store lacks of clips."""
        for chunk in extract_missing(
            [*self.extractors.values()], contents_of(clips), self.store, self.limits, self.mapper
        ):
            self.store.append(chunk.identity, chunk.keys, chunk.values)


@dataclass(frozen=True)
class Learner:
    """A model and the labelled clips that it was fitted on.

    Attributes:
        workshop: what it is fitted with.
        capability: what it recognises, as far as it has seen.
        data: labelled clips, with the columns that training reads.
        bundle: the model.
    """

    workshop: Workshop
    capability: Capability
    data: pd.DataFrame
    bundle: Bundle

    def answers(self, clips: pd.DataFrame) -> pd.DataFrame:
        """What the model says of clips whose features are stored.

        Returns:
            `label` and its `probability`, a row each, in their order.
        """
        return answers(self.bundle, clips, self.workshop.store)

    def taught(self, clips: pd.DataFrame, labels: Sequence[str]) -> "Learner":
        """Fit again, with more labelled clips.

        Args:
            clips: whose features are stored, with `creator`.
            labels: of each.
        """
        shares = [unit_interval(f"{self.workshop.seed}/{creator}/split") for creator in clips["creator"]]
        rows = clips.assign(
            group=clips["creator"],
            split=np.where(np.array(shares) < _VALIDATION, Split.VALIDATION.value, Split.TRAIN.value),
            label=list(labels),
            probabilities="",
            source=AnnotatorKind.HUMAN.value,
        )
        data = pd.concat([self.data, _whole(rows)], ignore_index=True).sort_values("clip_id", ignore_index=True)
        classes = tuple(dict.fromkeys([*self.capability.classes, *sorted(set(labels))]))
        capability = self.capability.model_copy(update={"classes": classes})
        shop = self.workshop
        bundle = train(
            TrainingData(self.bundle.capability, capability, data), shop.store, shop.extractors, shop.options, shop.seed
        )
        return replace(self, capability=capability, data=data, bundle=bundle)


def answers(bundle: Bundle, clips: pd.DataFrame, store: FeatureStore) -> pd.DataFrame:
    """What a model says of clips whose features are stored: `label` and `probability`, a row each, in their order."""
    told = predict_table(clips.assign(split=Split.TEST.value), store, {bundle.capability: bundle})
    return told.set_index("clip_id")[["label", "probability"]].reindex(clips["clip_id"]).reset_index(drop=True)


def _whole(rows: pd.DataFrame) -> pd.DataFrame:
    """Labelled rows with all columns of the table of clips; what the simulation does not know is left empty."""
    whole = rows.assign(**{name: value for name, value in blank(CLIPS).items() if name not in rows})
    return table(whole, CLIPS).assign(**{name: whole[name] for name in _LABELLED})
