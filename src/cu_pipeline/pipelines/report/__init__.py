"""report: one page that a person can read about data, labels, models, service and drift."""

from cu_pipeline.pipelines.report.pipeline import create_pipeline

__all__ = ["create_pipeline"]
