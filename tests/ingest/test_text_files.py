import io

import pytest

from cu_pipeline.ingest.text_files import text_lines


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_lines_keep_their_endings(encoding: str) -> None:
    stream = io.BytesIO("ä,b\r\nc,猫\n".encode(encoding))
    assert list(text_lines(stream)) == ["ä,b\r\n", "c,猫\n"]
    assert not stream.closed


def test_who_stops_half_way_may_close_the_stream_first() -> None:
    stream = io.BytesIO(b"a\nb\n")
    lines = text_lines(stream)
    assert next(lines) == "a\n"
    stream.close()
    lines.close()
