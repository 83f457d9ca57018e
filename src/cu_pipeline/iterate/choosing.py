"""The step that chooses the clips that are worth a label."""

from dataclasses import replace

from cu_pipeline.inference.prediction_log import scan_log
from cu_pipeline.ingest.served_clips import PLACE, ServedClips
from cu_pipeline.iterate.candidates import LogReader, candidates, capture_store, clip_names, forecast, newest
from cu_pipeline.iterate.choose import choose
from cu_pipeline.iterate.state import StepName
from cu_pipeline.iterate.work import DRIFT, REQUESTS, Outcome, Work
from cu_pipeline.labeling.people.requests import Purpose


def choose_clips(work: Work) -> Outcome:
    """Choose the clips that are worth a label, and copy them into the feed `served`."""
    log, clips, splits, place, resolved = work.project.load(
        "label_requests", "clips", "earlier_splits", "prediction_log", "capabilities_resolved"
    )
    asked = [one for one in log if one.iteration == work.iteration.id]
    if not asked:
        captured = newest(capture_store(work.options.capture).entries(), work.options.choose.latest)
        kinds = {name: one.kind for name, one in resolved.active.items()}
        reader = LogReader.of([one.request_id for one in captured], kinds, work.drift().causes)
        for record in scan_log(place):
            reader.add(record)
        known = set(zip(clips["media_sha256"], clips["text_sha256"], strict=True))
        split = forecast(splits, work.parameters["collect"].split)
        found, mine = candidates(captured, reader.found, known, split)
        if len(found) < work.options.choose.least_clips:
            told = (
                f"the service kept {len(found)} clips that are not in the data, fewer than "
                f"{work.options.choose.least_clips} (iterate.choose.least_clips; CU_PIPELINE_CAPTURE keeps them)"
            )
            return Outcome({"requested": 0}, told, (DRIFT,), StepName.SETTLE)
        number = int(work.iteration.facts(StepName.DECIDE)["clips"])
        chosen = choose(found, number, work.iteration.id, work.options.choose)
        names = clip_names(mine, set(clips["clip_id"]))
        by_content = {one.content: one for one in mine}
        served = ServedClips(work.project.root / PLACE)
        served.keep((by_content[one.clip_id], names[one.clip_id]) for one in chosen)
        asked = [replace(one, clip_id=names[one.clip_id]) for one in chosen]
        work.project.save("label_requests", asked)
    purposes = (Purpose.TEST, Purpose.RANDOM, Purpose.VALUE)
    counts = {one.value: sum(request.purpose is one for request in asked) for one in purposes}
    told = (
        f"{len(asked)} clips that the service saw are asked for: {counts['test']} test clips at random, "
        f"{counts['random']} others at random, {counts['value']} by value"
    )
    return Outcome({"requested": len(asked), **counts}, told, (DRIFT, REQUESTS))
