"""deliver: registers and promotes models, packs the champions and proves that the packed service answers as it must."""

from cu_pipeline.pipelines.deliver.pipeline import create_pipeline

__all__ = ["create_pipeline"]
