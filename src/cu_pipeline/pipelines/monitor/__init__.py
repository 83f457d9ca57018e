"""monitor: tells whether what the service sees and answers still looks like what its models learned from."""

from cu_pipeline.pipelines.monitor.pipeline import create_pipeline

__all__ = ["create_pipeline"]
