"""tune: better parameters for a model family, by cross-validation; run on demand."""

from cu_pipeline.pipelines.tune.pipeline import create_pipeline

__all__ = ["create_pipeline"]
