"""prompts: which prompt and method label best, measured on people's labels; run on demand."""

from cu_pipeline.pipelines.prompts.pipeline import create_pipeline

__all__ = ["create_pipeline"]
