"""Text on screen, read once of the clips that a prompt wants it of."""

from collections.abc import Iterator, Mapping

import pandas as pd

from cu_pipeline.compute.mapper import Mapper
from cu_pipeline.features.read_screens import read_screens
from cu_pipeline.features.screen_text import ScreenTextReader
from cu_pipeline.features.text_log import TextFeature, text_key
from cu_pipeline.labeling.options import LlmOptions
from cu_pipeline.media.options import Limits


def screen_reader(options: LlmOptions) -> ScreenTextReader:
    """Give the reader of text on screen."""
    mine = options.screen_text
    return ScreenTextReader(mine.frames, mine.size, mine.least_confidence)


def read_missing_screens(
    clips: pd.DataFrame, known: Mapping[str, str], options: LlmOptions, mapper: Mapper
) -> Iterator[list[TextFeature]]:
    """Read the text on screen of clips where it is not known yet, a few at a time.

    Args:
        clips: rows of the table of clips.
        known: texts by key.
        options: how it is read.
        mapper: reads them.
    """
    reader, mine = screen_reader(options), options.screen_text
    missing = {key: path for key, path in _files(clips, reader).items() if key not in known}
    yield from read_screens(reader, missing, Limits(timeout_s=mine.timeout_s, memory_mb=mine.memory_mb), mapper)


def _files(clips: pd.DataFrame, reader: ScreenTextReader) -> dict[str, str]:
    """Give the key of each clip's text on screen, once, and the path of its media."""
    seen = clips[clips["media_sha256"] != ""]
    keys = [text_key(reader.identity, one) for one in seen["media_sha256"]]
    return dict(zip(keys, seen["path"], strict=True))
