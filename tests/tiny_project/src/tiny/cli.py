from cu_pipeline.cli import cli

__all__ = ["cli"]
