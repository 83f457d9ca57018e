from kedro.pipeline import Node, Pipeline

from cu_pipeline.pipelines.collect.nodes import (
    admit_clips,
    check_data,
    check_feed,
    check_leakage,
    collect_annotations,
    fetch_media,
    find_duplicates,
    hash_media,
    keep_clips,
    keep_people_work,
    list_rejects,
    place_media,
    probe_media,
    read_feed,
    split_clips,
)


def create_pipeline(**_: object) -> Pipeline:
    """A feed to usable clips, what people said about them, and what was refused."""
    return Pipeline(
        [
            Node(read_feed, ["params:collect", "params:workers"], "raw_manifest", name="read_feed"),
            Node(fetch_media, ["raw_manifest", "fetch_cache", "params:collect"], "fetched", name="fetch_media"),
            Node(place_media, ["raw_manifest", "fetched"], ["placed_rows", "fetch_rejects"], name="place_media"),
            Node(
                check_feed,
                ["placed_rows", "params:capabilities", "params:collect"],
                ["checked_rows", "row_rejects"],
                name="check_feed",
            ),
            Node(
                probe_media,
                ["checked_rows", "probe_cache", "params:collect", "params:workers"],
                "probes",
                name="probe_media",
            ),
            Node(admit_clips, ["checked_rows", "probes"], ["admitted_rows", "media_rejects"], name="admit_clips"),
            Node(list_rejects, ["fetch_rejects", "row_rejects", "media_rejects"], "rejects", name="list_rejects"),
            Node(
                hash_media,
                ["admitted_rows", "hash_cache", "params:collect", "params:workers"],
                "frame_hashes",
                name="hash_media",
            ),
            Node(
                find_duplicates,
                ["admitted_rows", "frame_hashes", "params:collect"],
                "duplicates",
                name="find_duplicates",
            ),
            Node(
                split_clips,
                ["admitted_rows", "duplicates", "earlier_splits", "params:collect"],
                ["split_rows", "splits"],
                name="split_clips",
            ),
            Node(keep_clips, ["split_rows", "rejects", "params:collect"], "clips", name="keep_clips"),
            Node(
                check_leakage,
                ["clips", "duplicates", "split_rows", "params:collect"],
                "leakage",
                name="check_leakage",
            ),
            Node(
                check_data,
                ["clips", "duplicates", "annotations", "params:capabilities", "params:collect"],
                "data_checks",
                name="check_data",
            ),
            Node(keep_people_work, None, ["people_batches", "people_annotations"], name="keep_people_work"),
            Node(
                collect_annotations,
                ["admitted_rows", "people_batches", "people_annotations"],
                "annotations",
                name="collect_annotations",
            ),
        ]
    )
