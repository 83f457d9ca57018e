from cu_pipeline.settings import *  # noqa: F403
