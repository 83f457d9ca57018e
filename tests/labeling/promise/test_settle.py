from dataclasses import replace

from cu_pipeline.labeling.promise.settle import settle
from cu_pipeline.labeling.promise.trial import Trial, Verdict, account

PASSED = [Verdict("", {"rule": 0.8}, 100, 1, 0.01, 0)]
FAILED = [Verdict("", {}, 0, 0, 1.0, 30)]


def _wanted(clips: int, machine: str = "v1", **labels: str) -> Trial:
    terms = {"alpha": 0.05, "delta": 0.06, "per_class": False, "machines": {"rule": [machine]}}
    return Trial("topic", terms, {f"c{number}": "a" for number in range(clips)} | labels, 0.0)


class Account:
    """Keeps trials as the file does, and what each was given."""

    def __init__(self) -> None:
        self.trials: list[Trial] = []

    def ask(self, wanted: Trial, verdicts: list[Verdict]) -> Trial:
        held, made = settle(wanted, self.trials, lambda _: verdicts)
        self.trials += [Trial.from_json(trial.as_json()) for trial in made]
        return held

    @property
    def spent(self) -> list[float]:
        return [round(trial.delta, 6) for trial in self.trials]


def test_the_same_question_is_free_and_another_one_is_not() -> None:
    account_ = Account()
    assert account_.ask(_wanted(200), PASSED).certified
    assert account_.ask(_wanted(200), FAILED).certified
    assert account_.spent == [0.03]
    assert not account_.ask(_wanted(200, machine="v2"), FAILED).certified
    assert account_.ask(_wanted(200, machine="v3"), PASSED).certified
    assert account_.spent == [0.03, 0.01, 0.005]
    assert account(account_.trials, 0.06).spent(["c0"]) <= 0.06


def test_what_is_certified_stays_so_until_the_set_has_doubled() -> None:
    account_ = Account()
    account_.ask(_wanted(200), PASSED)
    assert account_.ask(_wanted(399), FAILED).certified
    assert len(account_.trials) == 1
    again = account_.ask(_wanted(400), FAILED)
    assert (again.certified, len(again.labels), len(account_.trials)) == (True, 200, 2)
    assert account_.ask(_wanted(400), FAILED).certified
    assert len(account_.trials) == 2


def test_what_failed_is_tested_again_when_enough_labels_came() -> None:
    account_ = Account()
    account_.ask(_wanted(200), FAILED)
    account_.ask(_wanted(229), PASSED)
    assert len(account_.trials) == 1
    assert account_.ask(_wanted(230), PASSED).certified
    assert len(account_.trials) == 2


def test_a_corrected_label_is_another_question() -> None:
    account_ = Account()
    account_.ask(_wanted(200), PASSED)
    assert not account_.ask(_wanted(200, c0="b"), FAILED).certified
    assert account_.spent == [0.03, 0.01]


def test_new_clips_alone_have_an_account_of_their_own() -> None:
    account_ = Account()
    account_.ask(_wanted(200), PASSED)
    fresh = replace(_wanted(200, machine="v2"), labels={f"d{number}": "a" for number in range(200)})
    account_.ask(fresh, PASSED)
    assert account_.spent == [0.03, 0.03]


def test_a_set_that_cannot_certify_anything_is_not_tested() -> None:
    account_ = Account()
    held = account_.ask(_wanted(20), PASSED)
    assert (held.certified, held.delta, held.more_labels) == (False, 0.0, 69 - 20)
    assert account_.trials == []
