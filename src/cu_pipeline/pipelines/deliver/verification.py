"""Whether the packed service answers as the champions do offline, and how it bears traffic."""

import json
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

import pandas as pd
from pydantic import Field

from cu_pipeline.core.atomic import write_text
from cu_pipeline.core.counters import count
from cu_pipeline.core.errors import DeliveryError
from cu_pipeline.core.hashing import json_sha256, unit_interval
from cu_pipeline.core.options import Options
from cu_pipeline.core.paths import from_stored, project_root
from cu_pipeline.core.records import Split
from cu_pipeline.core.scope import METADATA, UNKNOWN_LANGUAGE, Scope
from cu_pipeline.inference.prediction_log import holds_records
from cu_pipeline.inference.prediction_log.place import shared_or
from cu_pipeline.inference.prediction_log.records import REPLAY_HEADER
from cu_pipeline.inference.predictor import Predictor
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.pipelines.deliver.bento import Bento, serving
from cu_pipeline.pipelines.deliver.client import classify_all

REPLAY: Final = {REPLAY_HEADER: "1"}
_CONTENT = ["clip_id", "media_sha256", "text_sha256"]


class DeliverOptions(Options):
    """Parameters of the deliver pipeline.

    Attributes:
        parity_clips: clips whose served probabilities must equal the offline ones.
        tolerance: largest difference of a probability that counts as equal.
        replay_clips: further clips that are sent, to see how the service bears traffic; the log marks them as replays.
        replay_clients: requests at a time.
        start_timeout_s: seconds that the service may take to become ready.
        request_timeout_s: seconds that an answer may take.
        bentoml_home: folder of the Bento store, relative to the project's root; BentoML's own default is
            the user's home.
        prediction_log: folder of the service's prediction log, relative to the project's root, unless people share a
            database.
        service_log: file that the service's output is kept in, relative to the project's root.
    """

    parity_clips: int = Field(default=3, ge=1)
    tolerance: float = Field(default=1e-4, gt=0, lt=1)
    replay_clips: int = Field(default=40, ge=0)
    replay_clients: int = Field(default=2, ge=1)
    start_timeout_s: float = Field(default=120.0, gt=0)
    request_timeout_s: float = Field(default=120.0, gt=0)
    bentoml_home: str = "data/06_models/bentoml"
    prediction_log: str = "data/07_model_output/prediction_log"
    service_log: str = "data/08_reporting/service.log"


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
    log = shared_or(project_root() / options.prediction_log)
    count("service_requests", 0)
    if record.is_file() and holds_records(log):
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
    log: str,
    options: DeliverOptions,
) -> dict[str, Any]:
    import httpx

    output = project_root() / options.service_log
    with (
        serving(bento, prediction_log=log, output=output, timeout_s=options.start_timeout_s) as server,
        httpx.Client(base_url=server.url, timeout=options.request_timeout_s, headers=REPLAY, trust_env=False) as client,
    ):
        served = classify_all(client, compared, 1, "checking the service", told_fields(compared, champions))
        if refused := [clip for clip, answer in served.items() if answer is None]:
            raise DeliveryError(f"the service refuses clips that the models were evaluated on: {', '.join(refused)}")
        versions = {name: bundle.version for name, bundle in champions.items()}
        largest = check_parity(served, offline, versions, options.tolerance)
        start = time.monotonic()
        known = told_fields(replayed, champions)
        replies = classify_all(client, replayed, options.replay_clients, "sending traffic", known)
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


Probabilities = Mapping[str, float]
OfflineAnswers = Mapping[str, Probabilities]
"""capability -> class -> probability"""


def choose(
    clips: pd.DataFrame, predictions: pd.DataFrame, parity: int, replay: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Choose the clips to send: the same ones in every run over the same data.

    Args:
        clips: the table of clips.
        predictions: the table of predictions.
        parity: number of clips to compare: predicted ones, those with media and of the test split first.
        replay: number of further clips of the test split.

    Returns:
        The clips to compare and those to replay.
    """
    order = clips.assign(
        predicted=clips["clip_id"].isin(predictions["clip_id"]),
        test=clips["split"] == Split.TEST,
        media=clips["path"] != "",
        place=clips["clip_id"].map(unit_interval),
    ).sort_values(["predicted", "test", "media", "place"], ascending=[False, False, False, True])
    compared = order.head(parity)
    rest = order.drop(compared.index)
    return compared[clips.columns], rest[rest["test"]].sort_values("place").head(replay)[clips.columns]


def expected(
    clips: pd.DataFrame, predictions: pd.DataFrame, champions: Mapping[str, Bundle]
) -> dict[str, OfflineAnswers]:
    """What the champions answer offline, by clip; nothing of clips outside their scopes.

    These are the stored predictions where the champion made them, and its answer now where it is an older
    model than the one that was evaluated.
    """
    relevant = predictions[predictions["clip_id"].isin(clips["clip_id"])]
    keys = zip(relevant["clip_id"], relevant["capability"], relevant["model_version"], strict=True)
    stored = dict(zip(keys, map(json.loads, relevant["probabilities"]), strict=True))
    predictor: Predictor | None = None
    answers: dict[str, OfflineAnswers] = {}
    inside = {name: set(bundle.scope.within(clips)["clip_id"]) for name, bundle in champions.items()}
    for clip, path, text in zip(clips["clip_id"], clips["path"], clips["text"], strict=True):
        wanted = {name: (clip, name, bundle.version) for name, bundle in champions.items() if clip in inside[name]}
        now: OfflineAnswers = {}
        if not stored.keys() >= set(wanted.values()):
            predictor = predictor or Predictor({name: bundle.scoped(Scope()) for name, bundle in champions.items()})
            now = predictor.predict(from_stored(path) if path else None, text).probabilities
        answers[clip] = {name: stored[key] if key in stored else now[name] for name, key in wanted.items()}
    return answers


def told_fields(clips: pd.DataFrame, champions: Mapping[str, Bundle]) -> list[dict[str, str]]:
    """Collect of each clip, for a request, what the table knows and the champions' scopes ask beside its content."""
    asked = {part.column for bundle in champions.values() for part in bundle.scope.parts()}
    fields: list[dict[str, str]] = [{} for _ in range(len(clips))]
    if "feed" in asked:
        fields = [one | {"feed": feed} for one, feed in zip(fields, clips["feed"], strict=True)]
    if "lang" in asked:
        fields = [one | {"lang": lang or UNKNOWN_LANGUAGE} for one, lang in zip(fields, clips["lang"], strict=True)]
    keys = sorted(column.removeprefix(METADATA) for column in asked if column.startswith(METADATA))
    if keys:
        known = [json.loads(text) for text in clips["metadata"]]
        told = [json.dumps({key: one.get(key, "") for key in keys}) for one in known]
        fields = [one | {"metadata": text} for one, text in zip(fields, told, strict=True)]
    return fields


def check_parity(
    served: Mapping[str, Any], offline: Mapping[str, OfflineAnswers], versions: Mapping[str, str], tolerance: float
) -> float:
    """Compare the service's answers with the offline ones.

    Args:
        served: clip -> body of its answer.
        offline: clip -> capability -> class -> probability.
        versions: capability -> version of the bundle that must have answered.
        tolerance: largest difference that is accepted.

    Returns:
        The largest difference.

    Raises:
        DeliveryError: an answer lacks a capability or class, is of another model, or differs; names all cases.
    """
    problems: list[str] = []
    largest = 0.0
    for clip, answers in offline.items():
        given = served[clip]["capabilities"]
        capabilities = {name: one for name, one in given.items() if one.get("applicable", True)}
        if set(capabilities) != set(answers):
            problems.append(f"clip {clip}: capabilities {sorted(capabilities)} instead of {sorted(answers)}")
            continue
        for name, wanted in answers.items():
            where = f"clip {clip}, {name}"
            if (version := capabilities[name]["model_version"]) != versions[name]:
                problems.append(f"{where}: answered by model {version} instead of {versions[name]}")
            difference = _difference(capabilities[name]["probabilities"], wanted)
            if not difference <= tolerance:
                problems.append(f"{where}: differs by {difference:.2g}")
            largest = max(largest, difference)
    if problems:
        raise DeliveryError(
            f"the service does not answer as the models do offline (tolerance {tolerance:g}):\n{_lines(problems)}"
        )
    return largest


def _difference(served: Probabilities, offline: Probabilities) -> float:
    """The largest difference; infinite when the classes differ or a number is missing."""
    if set(served) != set(offline):
        return float("inf")
    differences = [abs(served[name] - offline[name]) for name in offline]
    return max((gap if gap == gap else float("inf") for gap in differences), default=0.0)  # noqa: PLR0124 - NaN


def _lines(problems: Iterable[str]) -> str:
    return "\n".join(f"- {problem}" for problem in problems)
