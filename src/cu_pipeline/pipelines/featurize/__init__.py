"""featurize: what the encoders see in each clip, stored once."""

from cu_pipeline.pipelines.featurize.pipeline import create_pipeline

__all__ = ["create_pipeline"]
