import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from cu_pipeline.core.atomic import write_text
from cu_pipeline.core.counters import count
from cu_pipeline.core.errors import DeliveryError
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.core.paths import project_root
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.pipelines.deliver.bento import Bento
from cu_pipeline.pipelines.deliver.client import classify_all
from cu_pipeline.pipelines.deliver.options import DeliverOptions
from cu_pipeline.pipelines.deliver.parity import check_parity, choose, expected
from cu_pipeline.pipelines.deliver.server import serving

_CONTENT = ["clip_id", "media_sha256", "text_sha256"]


def verify(
    bento: Bento,
    champions: Mapping[str, Bundle],
    clips: pd.DataFrame,
    predictions: pd.DataFrame,
    options: DeliverOptions,
) -> dict[str, Any]:
    """Start a Bento's service, check its answers and send it traffic; once for the same Bento and clips.

    What was found is kept beside the Bento, and the service is not started again while it holds and the
    prediction log still has records.

    Returns:
        The `parity` and `service` parts of the delivery report.

    Raises:
        DeliveryError: the service does not start, or answers otherwise than the models do offline.
    """
    compared, replayed = choose(clips, predictions, options.parity_clips, options.replay_clips)
    sent = [frame[_CONTENT].to_numpy().tolist() for frame in (compared, replayed)]
    record = bento.store / "checks" / f"{bento.version}-{json_sha256([sent, options.tolerance])[:12]}.json"
    log = project_root() / options.prediction_log
    count("service_requests", 0)
    if record.is_file() and any(log.glob("*.jsonl")):
        found: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
        return found
    offline = expected(compared, predictions, champions)
    report = _run(bento, champions, compared, replayed, offline, log, options)
    write_text(record, json.dumps(report, indent=2, sort_keys=True) + "\n")
    return report


def _run(
    bento: Bento,
    champions: Mapping[str, Bundle],
    compared: pd.DataFrame,
    replayed: pd.DataFrame,
    offline: Mapping[str, Any],
    log: Path,
    options: DeliverOptions,
) -> dict[str, Any]:
    import httpx

    output = project_root() / options.service_log
    with (
        serving(bento, prediction_log=log, output=output, timeout_s=options.start_timeout_s) as server,
        httpx.Client(base_url=server.url, timeout=options.request_timeout_s, trust_env=False) as client,
    ):
        served = classify_all(client, compared, 1, "checking the service")
        if refused := [clip for clip, answer in served.items() if answer is None]:
            raise DeliveryError(f"the service refuses clips that the models were evaluated on: {', '.join(refused)}")
        versions = {name: bundle.version for name, bundle in champions.items()}
        largest = check_parity(served, offline, versions, options.tolerance)
        start = time.monotonic()
        replies = classify_all(client, replayed, options.replay_clients, "sending traffic")
        passed = time.monotonic() - start
    return {
        "parity": {"clips": len(served), "max_abs_diff": largest, "tolerance": options.tolerance},
        "service": {
            "startup_s": round(server.startup_s, 1),
            "replayed": len(replies),
            "refused": sum(answer is None for answer in replies.values()),
            "clips_per_s": round(len(replies) / passed, 2) if replies else 0.0,
        },
    }
