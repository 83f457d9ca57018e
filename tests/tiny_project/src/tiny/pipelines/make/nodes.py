from cu_pipeline.core.counters import count
from cu_pipeline.core.errors import ManifestError
from cu_pipeline.core.options import Options


class Make(Options):
    number: int = 1
    fail: bool = False


def produce(options: Make, seed: int) -> dict[str, int]:
    count("made", options.number)
    if options.fail:
        raise ManifestError("feed 'x' cannot be read: give another")
    return {"value": options.number, "seed": seed}
