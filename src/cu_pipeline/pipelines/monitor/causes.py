import logging

import pandas as pd

from cu_pipeline.models.bundle import Bundle

_log = logging.getLogger(__name__)


def read_references(champions: dict[str, Bundle]) -> dict[str, pd.DataFrame]:
    """Read what each served model says of the clips that it learned from.

    Returns:
        capability -> table, as `Reference.table` gives it; a model of an earlier version tells nothing, and is left
        out with a warning.
    """
    found = {}
    for name, bundle in champions.items():
        if bundle.reference is None:
            _log.warning(
                "%s: the served model %s was trained by an earlier version and does not tell what it learned from, so "
                "its traffic is compared with nothing. Remedy: train it again",
                name,
                bundle.version,
            )
        else:
            found[name] = bundle.reference.table()
    return found
