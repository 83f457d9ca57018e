from pathlib import Path

import pandas as pd

from cu_pipeline.compute.worker_pool import LocalMapper
from cu_pipeline.core.errors import DeliveryError
from cu_pipeline.core.paths import to_stored
from cu_pipeline.pipelines.deliver.client import classify_all
from cu_pipeline.sample.generate import generate
from cu_pipeline.sample.options import SampleOptions


def send_sample(folder: Path, options: SampleOptions, url: str) -> tuple[int, int]:
    """Render generated clips and send them to a running service, as its users would.

    Args:
        folder: where the clips are rendered.
        options: of the feed; its `drift` decides how it differs from what the models know.
        url: of the service.

    Returns:
        How many clips were answered and how many were refused.

    Raises:
        DeliveryError: no service answers there.
    """
    import httpx

    manifest = pd.read_csv(generate(folder, options, LocalMapper()), dtype=str, keep_default_na=False)
    clips = manifest.assign(path=[to_stored(folder / path) for path in manifest["path"]])
    with httpx.Client(base_url=url, timeout=60) as client:
        try:
            client.get("/readyz").raise_for_status()
        except httpx.HTTPError as error:
            raise DeliveryError(f"no service is ready at {url} ({error}). Start one with `make serve`.") from error
        answers = classify_all(client, clips, at_once=2, description="send clips")
    refused = sum(answer is None for answer in answers.values())
    return len(answers) - refused, refused
