"""evaluate: honest numbers on clips that no model has seen, and whether the challenger is promoted."""

from cu_pipeline.pipelines.evaluate.pipeline import create_pipeline

__all__ = ["create_pipeline"]
