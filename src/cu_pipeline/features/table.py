"""The extractors by name, and the parameters of those in use."""

from dataclasses import dataclass
from typing import Any, Final

from pydantic import GetJsonSchemaHandler, RootModel, model_validator
from pydantic_core import CoreSchema, PydanticUndefined

from cu_pipeline.core.errors import BundleError, ConfigurationError
from cu_pipeline.core.options import Options, table_model
from cu_pipeline.features.caption_embeddings import CaptionEmbeddings
from cu_pipeline.features.caption_encoder import CaptionEncoder
from cu_pipeline.features.caption_text import CaptionText
from cu_pipeline.features.extractor import Extractor
from cu_pipeline.features.frame_encoder import FrameEncoder
from cu_pipeline.features.image_text import ImageText
from cu_pipeline.features.motion import Motion
from cu_pipeline.features.multilingual_captions import MultilingualCaptionEncoder
from cu_pipeline.features.pixels import PixelKeeper
from cu_pipeline.features.screen_embeddings import ScreenEmbeddings
from cu_pipeline.features.screen_text import ScreenTextReader
from cu_pipeline.features.sound import Sound
from cu_pipeline.media.options import Limits

EXTRACTORS: Final[dict[str, type[Extractor]]] = {
    "frames": FrameEncoder,
    "motion": Motion,
    "captions": CaptionEncoder,
    "captions_multilingual": MultilingualCaptionEncoder,
    "caption_text": CaptionText,
    "screen_text": ScreenTextReader,
    "screen_embeddings": ScreenEmbeddings,
    "sound": Sound,
    "pixels": PixelKeeper,
    "image_text": ImageText,
    "caption_embeddings": CaptionEmbeddings,
}
"""Every extractor by name. A new one is a new file and a line here."""


def modality_of(name: str) -> str:
    """What an extractor looks at, for those who read about it: all that read the caption count as one modality.

    >>> modality_of("captions"), modality_of("caption_text"), modality_of("image_text"), modality_of("motion")
    ('caption', 'caption', 'frames', 'motion')
    """
    extractor = EXTRACTORS[name]
    return str(getattr(extractor, "modality", "caption" if extractor.source == "text" else name))


_USUAL: Final = ("frames", "motion", "captions", "caption_text")
"""The extractors that are in use where nothing is said."""


class FeatureOptions(RootModel[dict[str, Any]]):
    """The extractors in use, in the table's order, each with the group of parameters that its class names."""

    root: dict[str, Any]

    @model_validator(mode="before")
    @classmethod
    def _by_table(cls, given: Any) -> dict[str, Options]:
        if given is PydanticUndefined:
            given = {name: {} for name in _USUAL}
        if isinstance(given, cls):
            given = given.root
        parsed = _model().model_validate(given)
        return {name: group for name, group in parsed if group is not None}

    @classmethod
    def __get_pydantic_json_schema__(cls, _: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The parameters that are allowed, for messages about others."""
        return handler(_model().__pydantic_core_schema__)


def _model() -> type[Options]:
    return table_model("Extractors", {name: extractor.options for name, extractor in EXTRACTORS.items()})


def build(name: str, parameters: dict[str, Any]) -> Extractor:
    """Make the extractor `name`.

    Raises:
        ConfigurationError: there is no such extractor.
    """
    if name not in EXTRACTORS:
        raise ConfigurationError(f"extractor {name!r} is unknown; allowed: {', '.join(EXTRACTORS)}")
    return EXTRACTORS[name](**parameters)


def build_all(options: FeatureOptions) -> dict[str, Extractor]:
    """Make every extractor in use with its parameters."""
    return {name: build(name, group.model_dump()) for name, group in options.root.items()}


@dataclass(frozen=True)
class FeatureInput:
    """One feature that a model learned from: a key of the feature store, and how to compute it.

    Attributes:
        name: of the extractor.
        fingerprint: of its identity.
        shape: of one clip's feature.
        parameters: that the extractor was made with.
    """

    name: str
    fingerprint: str
    shape: tuple[int, ...]
    parameters: dict[str, Any]

    @classmethod
    def of(cls, extractor: Extractor) -> "FeatureInput":
        """Describe an extractor."""
        identity = extractor.identity
        return cls(identity.name, identity.fingerprint, identity.shape, extractor.parameters)

    def extractor(self) -> Extractor:
        """Make the extractor.

        Raises:
            BundleError: this installation's extractor gives other features, or none for lack of its checkpoint.
        """
        try:
            extractor = build(self.name, self.parameters)
            made = extractor.identity.fingerprint
        except ConfigurationError as error:
            raise BundleError(f"reads {self.name!r} features, which cannot be made here: {error}") from error
        if made != self.fingerprint:
            raise BundleError(
                f"reads {self.name!r} features {self.fingerprint}, but this installation makes {made}: the weights, "
                "parameters or decoder differ. Install the versions of constraints.txt, or train the model again."
            )
        return extractor


class FeaturizeOptions(Options):
    """Parameters of the featurize pipeline.

    Attributes:
        extractors: what is computed for each clip.
        limits: of decoding one clip.
    """

    extractors: FeatureOptions = FeatureOptions()
    limits: Limits = Limits()
