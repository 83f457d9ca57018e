"""label: what people and the language model say of each clip, added up to labels."""

from cu_pipeline.pipelines.label.pipeline import create_pipeline

__all__ = ["create_pipeline"]
