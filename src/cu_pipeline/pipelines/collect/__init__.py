"""collect: a feed, checked and split without leaks."""

from cu_pipeline.pipelines.collect.pipeline import create_pipeline

__all__ = ["create_pipeline"]
