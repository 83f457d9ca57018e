"""train: one head per capability over the stored features."""

from cu_pipeline.pipelines.train.pipeline import create_pipeline

__all__ = ["create_pipeline"]
