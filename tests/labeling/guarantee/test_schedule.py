import json
from dataclasses import replace

import pytest

from cu_pipeline.labeling.guarantee.alpha_spending import AlphaAccount, Standing, make_due_test, standing
from cu_pipeline.labeling.guarantee.results import CertificationResult, CertificationTest

PASSED = [CertificationResult("", {"rule": 0.8}, 100, 1, 0.01, 0, ["rule"])]
FAILED = [CertificationResult("", {}, 0, 0, 1.0, 30)]


def _wanted(clips: int, machine: str = "v1", **labels: str) -> CertificationTest:
    terms = {"alpha": 0.05, "delta": 0.06, "per_class": False, "sources": {"rule": [machine]}}
    return CertificationTest("topic", terms, {f"c{number}": "a" for number in range(clips)} | labels, 0.0)


class Account:
    """Keeps tests as the file does, and what each was given."""

    def __init__(self) -> None:
        self.tests: list[CertificationTest] = []

    def ask(self, wanted: CertificationTest, results: list[CertificationResult]) -> Standing:
        due = standing(wanted, self.tests).due
        settled = make_due_test(wanted, self.tests, lambda _: results)
        assert [due] == ([replace(test, results=[]) for test in settled.made] or [None])
        self.tests += [
            CertificationTest.from_json(json.loads(json.dumps(one.as_json(), sort_keys=True))) for one in settled.made
        ]
        return settled

    @property
    def spent(self) -> list[float]:
        return [round(test.delta, 6) for test in self.tests]


def test_the_same_question_is_free_and_another_one_is_not() -> None:
    account_ = Account()
    assert account_.ask(_wanted(200), PASSED).holds.certified
    assert account_.ask(_wanted(200), FAILED).holds.certified
    assert account_.spent == [0.03]
    assert not account_.ask(_wanted(200, machine="v2"), FAILED).holds.certified
    assert account_.ask(_wanted(200, machine="v3"), PASSED).holds.certified
    assert account_.spent == [0.03, 0.005, round(0.06 / 36, 6)]
    assert AlphaAccount(account_.tests, 0.06).spent(["c0"]) <= 0.06


@pytest.mark.parametrize("outcome", [PASSED, FAILED])
def test_a_question_is_tested_again_when_the_set_has_doubled_whatever_came_out(
    outcome: list[CertificationResult],
) -> None:
    account_ = Account()
    account_.ask(_wanted(200), outcome)
    account_.ask(_wanted(399), FAILED)
    assert len(account_.tests) == 1
    again = account_.ask(_wanted(450), FAILED)
    assert (again.holds.certified, account_.spent) == (outcome is PASSED, [0.03, 0.005])
    account_.ask(_wanted(799), FAILED)
    assert len(account_.tests) == 2


def test_sample_and_delta_of_a_test_do_not_depend_on_when_it_is_made() -> None:
    soon, late = Account(), Account()
    for account_, sizes in ((soon, (200, 400, 800)), (late, (200, 1100))):
        for size in sizes:
            account_.ask(_wanted(size), FAILED)
    assert soon.tests[-1] == late.tests[-1]
    assert len(late.tests[-1].labels) == 800
    assert late.spent == [0.03, round(0.06 / 36, 6)]


def test_the_sample_keeps_the_clips_that_served_and_takes_the_next_that_arrived() -> None:
    account_ = Account()
    account_.ask(_wanted(100), FAILED)
    newcomers = {f"b{number}": "a" for number in range(250)}
    wanted = _wanted(100)
    account_.ask(replace(wanted, labels=newcomers | wanted.labels), FAILED)
    assert account_.tests[-1].labels.keys() == wanted.labels.keys() | {f"b{place}" for place in range(100)}


def test_labels_that_are_lacking_reach_the_next_test_at_least() -> None:
    account_ = Account()
    assert account_.ask(_wanted(200), FAILED).labels_needed == 200
    assert account_.ask(_wanted(230), FAILED).labels_needed == 170
    many = [replace(FAILED[0], more_labels=900)]
    account_.ask(_wanted(200, "v2"), many)
    assert account_.ask(_wanted(250, "v2"), many).labels_needed == 850
    assert account_.ask(_wanted(250, "v3"), [replace(FAILED[0], more_labels=None)]).labels_needed is None


def test_a_corrected_label_is_another_question() -> None:
    account_ = Account()
    account_.ask(_wanted(200), PASSED)
    assert not account_.ask(_wanted(200, c0="b"), FAILED).holds.certified
    assert account_.spent == [0.03, 0.005]


def test_new_clips_alone_have_an_account_of_their_own() -> None:
    account_ = Account()
    account_.ask(_wanted(200), PASSED)
    fresh = replace(_wanted(200, machine="v2"), labels={f"d{number}": "a" for number in range(200)})
    account_.ask(fresh, PASSED)
    assert account_.spent == [0.03, 0.03]


def test_a_set_that_cannot_certify_anything_is_not_tested() -> None:
    account_ = Account()
    held = account_.ask(_wanted(20), PASSED)
    assert (held.holds.certified, held.holds.delta, held.labels_needed) == (False, 0.0, 69 - 20)
    assert account_.ask(_wanted(0), PASSED).labels_needed == 69
    assert account_.tests == []
    account_.ask(_wanted(70), FAILED)
    refused = account_.ask(_wanted(70, "v2"), PASSED)
    assert (len(account_.tests), refused.labels_needed) == (1, 70)
    assert account_.ask(_wanted(140, "v2"), PASSED).holds.certified


def test_every_served_model_is_a_question_though_its_calibration_clips_come_and_go() -> None:
    """Test clips stay among them; what people labelled since a model was trained is left out with the next model."""
    account_ = Account()
    for number, size in enumerate((150, 120, 200, 140, 320)):
        fresh = {f"n{number}-{place}": "a" for place in range(30)}
        account_.ask(_wanted(size - 30, machine=f"v{number}", **fresh), FAILED)
    assert [test.terms["sources"]["rule"] for test in account_.tests] == [["v0"], ["v1"], ["v2"], ["v4"]]
    assert [len(test.labels) for test in account_.tests] == [150, 120, 150, 300]
    assert account_.spent == [round(0.06 / turn, 6) for turn in (2, 12, 36, 150)]
