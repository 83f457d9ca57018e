from tiny.pipelines.make.pipeline import create_pipeline

__all__ = ["create_pipeline"]
