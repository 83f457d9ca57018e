"""Commands of this project, added to Kedro's or put in their place."""

from cu_pipeline.cli.main import cli

__all__ = ["cli"]
