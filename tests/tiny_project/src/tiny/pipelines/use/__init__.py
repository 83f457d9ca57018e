from tiny.pipelines.use.pipeline import create_pipeline

__all__ = ["create_pipeline"]
