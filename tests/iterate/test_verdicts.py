import pytest

from cu_pipeline.core.errors import StoreError
from cu_pipeline.iterate.verdicts import VerdictLog, Word


@pytest.fixture
def log(tmp_path) -> VerdictLog:
    return VerdictLog(tmp_path / "verdicts.jsonl")


def test_nothing_was_said(log) -> None:
    assert not any(vars(log.standing(1)).values())


def test_a_hold_stands_until_it_is_released_and_may_come_again(log) -> None:
    for word, held in ((Word.HOLD, True), (Word.RELEASE, False), (Word.RELEASE, False), (Word.HOLD, True)):
        log.say(word, 0, "why")
        assert bool(log.standing(3).hold) is held


def test_approval_and_veto_are_about_one_iteration_and_the_last_counts(log) -> None:
    log.say(Word.APPROVE, 1, "looks good")
    assert log.standing(1).approved.reason == "looks good"
    assert log.standing(2).approved is None
    log.say(Word.VETO, 1, "on second thoughts")
    assert (log.standing(1).approved, log.standing(1).vetoed.reason) == (None, "on second thoughts")
    log.say(Word.APPROVE, 1, "")
    assert log.standing(1).vetoed is None


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"word": "dance"}', "word: Input should be 'hold', 'release', 'approve' or 'veto'"),
        (
            '{"word": "veto", "iteration": null, "by": "me", "time": "now"}',
            "iteration: Input should be a valid integer",
        ),
        ("{", "Expecting property name"),
        ("[]", "the whole: "),
    ],
)
def test_a_damaged_line_is_named(log, line, told) -> None:
    log.say(Word.HOLD, 0, "")
    with log.path.open("a") as stream:
        stream.write(line + "\n")
    with pytest.raises(StoreError, match=rf"line 2 is damaged \(.*{told}.*Remedy: delete that line"):
        log.read()
