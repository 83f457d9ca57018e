from cu_pipeline.core.options import Options
from cu_pipeline.features.table import FeatureOptions
from cu_pipeline.media.options import Limits


class FeaturizeOptions(Options):
    """Parameters of the featurize pipeline.

    Attributes:
        extractors: what is computed for each clip.
        limits: of decoding one clip.
    """

    extractors: FeatureOptions = FeatureOptions()
    limits: Limits = Limits()
