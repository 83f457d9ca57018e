from hypothesis import given
from hypothesis import strategies as st

from cu_pipeline.media.decoding import sample_positions

clocks = st.lists(st.integers(-1000, 100_000), min_size=1, max_size=50, unique=True).map(sorted)


@given(clocks, st.integers(0, 1000), st.integers(1, 32))
def test_positions_exist_and_ascend(starts, tail, count):
    positions = sample_positions(starts, starts[-1] + tail, count)
    assert len(positions) == count
    assert positions == sorted(positions)
    assert 0 <= positions[0] <= positions[-1] < len(starts)


@given(clocks, st.integers(-50, 50))
def test_positions_do_not_depend_on_when_the_clock_starts(starts, shift):
    shifted = [start + shift for start in starts]
    assert sample_positions(starts, starts[-1] + 10, 8) == sample_positions(shifted, shifted[-1] + 10, 8)


def test_long_frames_are_chosen_as_often_as_they_are_shown():
    assert sample_positions([0, 10, 90], 100, 5) == [1, 1, 1, 1, 2]
