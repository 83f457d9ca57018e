from pydantic import Field

from cu_pipeline.core.options import Options


class ClientOptions(Options):
    """Which language model answers.

    Attributes:
        name: a key of `clients.CLIENTS`.
        model: a model that the client knows; for `packaged` a key of `core.weights.MODELS`.
        threads: for models in this process; 0: one per core, which is faster on an idle machine and much
            slower on a busy one. The answers do not depend on it.
        context: the longest prompt with its answer, in tokens.
    """

    name: str = "packaged"
    model: str = "smollm2-135m-instruct"
    threads: int = Field(default=1, ge=0)
    context: int = Field(default=4096, ge=256)
