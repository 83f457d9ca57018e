from kedro.pipeline import Node, Pipeline

from cu_pipeline.pipelines.collect.feedback import take_feedback
from cu_pipeline.pipelines.collect.nodes import (
    admit_clips,
    check_feed,
    collect_annotations,
    fetch_media,
    list_rejects,
    place_media,
    probe_media,
    read_feed,
)
from cu_pipeline.pipelines.collect.splits import (
    check_leakage,
    check_splits,
    find_duplicates,
    hash_media,
    keep_clips,
    split_clips,
)

LIMITS, SPLIT = "params:collect.limits", "params:collect.split"


def create_pipeline(**_: object) -> Pipeline:
    """A feed to usable clips, what it tells of them, and what was refused."""
    return Pipeline([*_clips(), *_splits(), *_checks()])


def _clips() -> list[Node]:
    return [
        Node(
            read_feed,
            ["params:collect", "params:compute", "earlier_manifest", "earlier_clips", "tombstones"],
            "raw_manifest",
            name="read_feed",
        ),
        Node(
            fetch_media,
            ["raw_manifest", "fetch_cache", "params:collect.fetch", LIMITS, "tombstones"],
            "fetched",
            name="fetch_media",
        ),
        Node(place_media, ["raw_manifest", "fetched"], ["placed_rows", "fetch_rejects"], name="place_media"),
        Node(
            check_feed,
            ["placed_rows", "params:capabilities", LIMITS, "params:collect.language"],
            ["checked_rows", "row_rejects"],
            name="check_feed",
        ),
        Node(
            probe_media,
            ["checked_rows", "probe_cache", LIMITS, "params:compute", "tombstones"],
            "probes",
            name="probe_media",
        ),
        Node(
            admit_clips,
            ["checked_rows", "probes", "tombstones"],
            ["admitted_rows", "media_rejects"],
            name="admit_clips",
        ),
        Node(list_rejects, ["fetch_rejects", "row_rejects", "media_rejects"], "rejects", name="list_rejects"),
        Node(take_feedback, ["prediction_log", "earlier_served_feedback"], "served_feedback", name="take_feedback"),
        Node(
            collect_annotations,
            ["admitted_rows", "served_feedback", "params:capabilities"],
            "feed_annotations",
            name="collect_annotations",
        ),
    ]


def _splits() -> list[Node]:
    return [
        Node(hash_media, ["admitted_rows", "hash_cache", LIMITS, "params:compute"], "frame_hashes", name="hash_media"),
        Node(
            find_duplicates,
            ["admitted_rows", "frame_hashes", "params:collect.duplicates"],
            "duplicates",
            name="find_duplicates",
        ),
        Node(
            split_clips,
            ["admitted_rows", "duplicates", "earlier_splits", SPLIT],
            ["split_rows", "splits"],
            name="split_clips",
        ),
        Node(
            keep_clips,
            ["admitted_rows", "split_rows", "rejects", "params:collect"],
            ["clips", "kept_clips"],
            name="keep_clips",
        ),
    ]


def _checks() -> list[Node]:
    return [
        Node(check_leakage, ["kept_clips", "duplicates", "split_rows", SPLIT], "leakage", name="check_leakage"),
        Node(
            check_splits,
            ["kept_clips", "duplicates", SPLIT, "params:collect.checks"],
            "feed_checks",
            name="check_splits",
        ),
    ]
