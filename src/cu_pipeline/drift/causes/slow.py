"""Answers that take longer than they did."""

import numpy as np

from cu_pipeline.drift.causes.evidence import Evidence
from cu_pipeline.drift.causes.finding import CauseKind, Finding
from cu_pipeline.drift.service_tests import LATENCY


def slow_answers(evidence: Evidence) -> Finding | None:
    """Say that the service is slow, where a test found it: it is no matter of the clips."""
    if LATENCY not in evidence.drifted:
        return None
    took = evidence.traffic.answers["latency_ms"].to_numpy(np.float64)
    late = (evidence.traffic.answers["time"] >= evidence.start_of(LATENCY)).to_numpy(dtype=np.bool_)
    before, now = (float(np.nanmedian(took[side])) for side in (~late, late))
    usual = float(np.nanquantile(took[~late], 0.95))
    clips = evidence.numbers(evidence.recent, "latency_ms")
    slow = np.where(np.isnan(clips), np.nan, (clips > usual).astype(np.float64))
    of_window = np.nan_to_num(evidence.of_window(slow))
    return Finding(
        CauseKind.SLOW_SERVICE,
        f"answers take longer: {before:,.0f} → {now:,.0f} ms in the middle",
        float(of_window.mean()),
        np.zeros(len(of_window), dtype=np.bool_),
        of_window,
        slow,
        kinds=frozenset({LATENCY}),
    )
