"""What a process does before its first answer."""

import pytest

from cu_pipeline.core.errors import BadClipError, Reason
from cu_pipeline.service.engine.warm_up import TRIES, warm_up


class Slow:
    """Fails so many times, then answers."""

    def __init__(self, failures: int, reason: Reason = Reason.TIMEOUT) -> None:
        self.asked, self._failures, self._reason = 0, failures, reason

    def predict(self, path, text):
        self.asked += 1
        assert path.stat().st_size
        if self.asked <= self._failures:
            raise BadClipError(self._reason, "not done after 5 s")


def test_a_decoder_that_loads_slowly_on_a_busy_machine_is_waited_for() -> None:
    predictor = Slow(failures=2)
    warm_up(predictor, times=3)
    assert predictor.asked == 5


@pytest.mark.parametrize(("reason", "asked"), [(Reason.TIMEOUT, TRIES), (Reason.NO_VIDEO, 1)])
def test_an_installation_that_cannot_decode_does_not_become_ready(reason: Reason, asked: int) -> None:
    predictor = Slow(failures=99, reason=reason)
    with pytest.raises(BadClipError):
        warm_up(predictor)
    assert predictor.asked == asked
