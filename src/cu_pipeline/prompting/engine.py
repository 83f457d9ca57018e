from typing import Any

from cu_pipeline.compute.worker_pool import usable_cores
from cu_pipeline.core.weights import weights_path
from cu_pipeline.prompting.options import PackagedOptions


def start_engine(options: PackagedOptions, **settings: object) -> Any:
    """Start llama.cpp with a packaged model; it also listens for HTTP on `listening_address`.

    Args:
        options: which model, and how much of the machine it may use.
        settings: further attributes of `xllamacpp.CommonParams`, such as `port`.

    Returns:
        An `xllamacpp.Server`, which runs until nothing refers to it.

    Raises:
        MissingWeightsError: the model's package is absent or damaged.
    """
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(weights_path(options.model))
    parameters.n_ctx = options.context
    parameters.cpuparams.n_threads = options.threads or usable_cores()
    parameters.cpuparams_batch.n_threads = parameters.cpuparams.n_threads
    parameters.cache_ram_mib = 0
    parameters.warmup = False
    parameters.ui = False
    parameters.verbosity = -1
    for name, value in settings.items():
        setattr(parameters, name, value)
    return xllamacpp.Server(parameters)
