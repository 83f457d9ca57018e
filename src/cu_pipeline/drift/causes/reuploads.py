"""The same clips, sent again and again."""

from collections import Counter

import numpy as np
import pandas as pd

from cu_pipeline.drift.causes.evidence import Evidence
from cu_pipeline.drift.causes.finding import CauseKind, Finding
from cu_pipeline.drift.service_tests import REUPLOADS

_RISE = 3.0
"""The share of repeated requests must be so many times what it was before the window."""

_USUAL = 0.01
"""What it is taken for where it was less, or where the log begins with the window."""


def burst_of_reuploads(evidence: Evidence) -> Finding | None:
    """Look for requests about contents, or about clips as good as equal, that were seen before."""
    recent = evidence.recent.table
    near = evidence.traffic.near_repeats.reindex(recent.index).fillna("").to_numpy(dtype=object)
    is_near = near != ""
    repeats, start = evidence.traffic.repeats, evidence.start_of(REUPLOADS)
    late = (pd.to_datetime(repeats["time"], utc=True) >= start).to_numpy(dtype=np.bool_)
    of_period = (pd.to_datetime(recent["time"], utc=True) >= start).to_numpy(dtype=np.bool_)
    again = int(np.count_nonzero(late)), int(len(repeats) - np.count_nonzero(late))
    now = (again[0] + int(is_near[of_period].sum())) / max(1, again[0] + int(of_period.sum()))
    then = (again[1] + int(is_near[~of_period].sum())) / max(1, again[1] + int((~of_period).sum()))
    if REUPLOADS not in evidence.drifted and now < max(evidence.options.reuploads, _RISE * max(then, _USUAL)):
        return None
    of_content = Counter(repeats.loc[late, "content"] if len(repeats) else ())
    is_near &= of_period
    sent = np.array([of_content.get(name, 0) for name in evidence.now["content"]], dtype=np.float64)
    involved = (is_near[evidence.window] | (sent > 0)) & evidence.left_of_window
    originals = set(near[is_near & evidence.window])
    involved |= evidence.now["request_id"].isin(originals).to_numpy() & evidence.left_of_window
    contents = len(set(near[is_near & evidence.window])) + len(of_content)
    words = (
        f"{now:.0%} of requests are about clips that were sent before ({then:.0%} earlier): {contents} "
        f"{'clip' if contents == 1 else 'clips'}, sent again and again"
    )
    indicator = is_near.astype(np.float64) + (recent["requests"].to_numpy(np.float64) > 1)
    return Finding(
        CauseKind.REUPLOADS,
        words + _of_one_creator(evidence, involved),
        now,
        involved,
        sent + is_near[evidence.window],
        indicator,
        kinds=frozenset({REUPLOADS, "label", "confidence", "embedding", "fact", "novelty", "abstention"}),
    )


def _of_one_creator(evidence: Evidence, involved: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> str:
    names = Counter(evidence.now["group"].to_numpy(dtype=object)[involved])
    if not names:
        return ""
    name, count = names.most_common(1)[0]
    return f", most of them of {name.removeprefix('creator:')}" if count > involved.sum() / 2 else ""
