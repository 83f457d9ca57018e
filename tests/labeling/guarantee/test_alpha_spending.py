import pytest

from cu_pipeline.labeling.guarantee.alpha_spending import AlphaAccount
from cu_pipeline.labeling.guarantee.results import CertificationTest

CLIPS = ("1", "2", "3")


def _test(version: str, clips: tuple[str, ...] = CLIPS, delta: float = 0.0) -> CertificationTest:
    return CertificationTest("topic", {"sources": {"llm": [version]}}, dict.fromkeys(clips, "a"), delta)


def test_each_test_on_the_same_clips_is_charged() -> None:
    account = AlphaAccount([_test("1", delta=0.03), _test("2", delta=0.02)], 0.05)
    assert account.spent(CLIPS) == pytest.approx(0.05)
    assert account.left(CLIPS) == account.share(_test("3"), 3) == 0


def test_one_shared_clip_makes_a_test_pay_for_earlier_ones_and_new_clips_are_free() -> None:
    account = AlphaAccount([_test("1", delta=0.05)], 0.05)
    assert account.spent(["3", "4"]) == 0.05
    assert account.spent(["4"]) == 0
    assert account.share(_test("2", ("3", "4")), 1) == 0
    assert account.share(_test("2", ("4",)), 1) == 0.025


def test_repeating_a_test_is_free() -> None:
    assert AlphaAccount([_test("1", delta=0.025)], 0.05).share(_test("1"), 7) == 0.025


def test_shares_never_run_out_and_add_up_to_the_total() -> None:
    tests: list[CertificationTest] = []
    for turn in range(1, 31):
        for number in range(turn):
            version = f"test {number} of turn {turn}"
            delta = AlphaAccount(tests, 0.06).share(_test(version), turn)
            assert delta > 0
            tests.append(_test(version, delta=delta))
    assert AlphaAccount(tests, 0.06).spent(CLIPS) == pytest.approx(0.06 * 30 / 31)
