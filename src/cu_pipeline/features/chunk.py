from dataclasses import dataclass

from cu_pipeline.features.extractor import Identity, Vectors


@dataclass(frozen=True)
class FeatureChunk:
    """Newly computed features of one extractor.

    Attributes:
        identity: of the extractor.
        keys: content hashes (n).
        vectors: float32 (n, *identity.shape); NaN where the content was refused.
    """

    identity: Identity
    keys: list[str]
    vectors: Vectors
