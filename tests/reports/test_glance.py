"""What the report's first screen says of models whose numbers are known: good ones, useless ones, unmeasured ones."""

import pytest

from cu_pipeline.reports.glance import glance

TEST = {"n": 98, "units": 9, "accuracy": 0.82, "macro_f1": 0.8, "ci95": {"accuracy": [0.67, 0.87]}}
KNOWS = {"n": 98, "accuracy_gain": 0.3, "loss_gain": 0.5, "p_value": 0.001, "better": True}
POWER = {"more_clips": 1672, "smallest_gain": 0.24, "wished_gain": 0.05, "units": 9}
SERVED = {"decision": "promote", "champion": None, "challenger": "b", "power": POWER}
REFUSED = SERVED | {"decision": "keep"}
AHEAD = {"gain": 0.019, "in_words": "1,000 more labelled clips are expected to bring 1.9 points [0.7, 3.2]"}


def baseline(accuracy, low, high, better):
    gain = {"accuracy": TEST["accuracy"] - accuracy, "ci95": [low, high]}
    return {"accuracy": accuracy, "macro_f1": accuracy, "gain": gain, "shown_better": better}


WORDS = {"tfidf_logistic": baseline(0.7, 0.003, 0.24, True)}
AS_GOOD = {"frames_logistic": baseline(0.8, -0.05, 0.09, False), "metadata_only": baseline(0.79, -0.1, 0.16, False)}
AHEAD_OF_IT = {"captions_logistic": baseline(0.9, -0.12, -0.04, False)}
SLICE = {"column": "language", "value": "es", "n": 61, "units": 7, "accuracy": 0.71, "rest": 0.9}
SLICE |= {"difference": -0.19, "ci95": [-0.3, -0.05], "p_value": 0.01, "p_adjusted": 0.1, "worse": False}


def model(**found):
    return {"test": TEST, "skill": KNOWS, "baselines": WORDS, "warnings": [], "served": True} | found


def told(found, gate=SERVED, insight=None):
    """The verdict, its tone, and question -> answers."""
    shown = glance("topic", found, gate, insight or {})
    return shown.verdict, shown.tone, {line.question: " ".join(line.answers) for line in shown.lines}


def test_a_good_model_is_said_to_be_good_served_and_better_than_what_is_simple():
    verdict, tone, lines = told(model(), insight={"learning_curve": {"forecast": AHEAD}})
    assert (verdict, tone) == ("It is better than every simple model that was tried.", "good")
    assert lines["Is it served?"] == "Yes: this run promoted it."
    assert lines["Better than the obvious?"] == (
        "Yes, of 1 tried: the best simple model (words of the caption) is right on 70 %, 12 points less "
        "than this one [0.3, 24.0]."
    )
    assert lines["What is wrong?"] == "Nothing was found that speaks against it."
    assert "expected to bring 1.9 points [0.7, 3.2]." in lines["What would help?"]
    assert (
        "1,672 more labelled test clips would show whether another model is 5 points better"
        in lines["What would help?"]
    )


def test_the_number_says_on_how_many_clips_it_rests():
    assert glance("topic", model(), None, {}).about == ("of 98 test clips in 9 independent groups; likely 67 to 87 %")


def test_how_good_the_answers_are_that_a_careful_model_gives_is_told():
    careful = model(test=TEST | {"answers": {"coverage": 0.5, "accuracy_answered": 0.96}})
    assert glance("topic", careful, None, {}).about.endswith("it answers 50 % of them and is right on 96 % of these")


def test_a_useless_model_is_said_to_be_useless_and_what_would_help():
    nothing = KNOWS | {"accuracy_gain": -0.02, "loss_gain": -0.1, "p_value": 0.8, "better": False}
    little = AHEAD | {"gain": 0.004}
    found = model(skill=nothing, baselines=WORDS | AHEAD_OF_IT, served=False)
    verdict, tone, lines = told(found, REFUSED, {"learning_curve": {"forecast": little}})
    assert (verdict, tone) == ("It has learned nothing that tells clips apart.", "bad")
    assert lines["Is it served?"].startswith("No: the gate did not promote it")
    assert "no better than the majority on 98 test clips" in lines["What is wrong?"]
    assert lines["What would help?"].startswith("Labels that are right, or features that show the difference.")
    assert ": little." in lines["What would help?"]


@pytest.mark.parametrize(("gain", "units"), [(0.5, 1), (0.0, 5), (0.1, 40)])
def test_a_model_that_too_few_clips_were_to_judge_is_not_said_to_have_learned_nothing(gain, units):
    unknown = KNOWS | {"accuracy_gain": gain, "p_value": 1.0, "better": False}
    verdict, tone, lines = told(model(skill=unknown, test=TEST | {"units": units}), REFUSED)
    assert (verdict, tone) == ("Too few test clips were labelled to tell whether it has learned anything.", "wait")
    assert lines["What is wrong?"].startswith("The model is not shown to be better than the majority on 98 test clips")
    assert lines["What would help?"].startswith("Labels by people on more test clips")


@pytest.mark.parametrize(
    ("unbeaten", "tone", "words", "line"),
    [
        (AS_GOOD, "wait", "something simpler may be as good", "pictures alone is right on 80 %, 2 points less"),
        (AHEAD_OF_IT, "bad", "something simpler is right more often", "8 points more than this one [4.0, 12.0]"),
    ],
)
def test_what_is_simpler_and_as_good_is_named(unbeaten, tone, words, line):
    verdict, found_tone, lines = told(model(baselines=WORDS | unbeaten))
    assert found_tone == tone
    assert words in verdict
    assert lines["Better than the obvious?"].startswith("No: " if tone == "bad" else "Not shown: ")
    assert line in lines["Better than the obvious?"]


def test_nothing_else_speaks_against_a_model_that_something_simpler_equals():
    lines = told(model(baselines=WORDS | AS_GOOD))[2]
    assert lines["What is wrong?"] == "Nothing else was found that speaks against it."


def test_more_on_these_clips_that_may_be_chance_is_told_and_not_called_better():
    found = model(baselines={"frames_logistic": baseline(0.83, -0.014, 0.12, False)})
    verdict, tone, lines = told(found)
    assert (verdict, tone) == ("It has learned something, but something simpler may be as good.", "wait")
    line = lines["Better than the obvious?"]
    assert line.startswith("Not shown: pictures alone is right on 83 %, 1 point more than this one [")


def test_half_a_point_more_is_told_alike_in_both_sentences():
    verdict, _, lines = told(model(baselines={"captions_logistic": baseline(0.823, -0.02, 0.014, False)}))
    assert "may be as good" in verdict
    assert lines["Better than the obvious?"].startswith("Not shown: meaning of the caption is right on 82 %, as often")


def test_answers_that_are_right_on_the_same_clips_are_not_given_an_interval_of_no_width():
    line = told(model(baselines={"tfidf_logistic": baseline(0.82, 0.0, 0.0, False)}))[2]["Better than the obvious?"]
    assert line == "Not shown: words of the caption is right on 82 %, as often as this one in every group of clips."


def test_warnings_are_shown_but_none_twice():
    warnings = ["Metadata alone does about as well.", "The model (accuracy 0.8) is not shown to be better than frames."]
    lines = told(model(baselines=AS_GOOD, warnings=warnings))[2]
    assert lines["What is wrong?"] == "Metadata alone does about as well."


def test_the_weakest_slice_is_named_and_said_to_be_chance_where_it_may_be():
    lines = told(model(slices={"looked_at": 7, "rows": [SLICE]}))[2]
    assert lines["What is wrong?"] == (
        "It is weakest where language is es: 71 % of 61 clips, 90 % elsewhere, which may be chance."
    )
    among = told(model(slices={"looked_at": 7, "n": 520, "rows": [SLICE]}))[2]["What is wrong?"]
    assert "90 % elsewhere, among all 520 that models predicted unseen, which may be chance" in among
    warned = model(slices={"looked_at": 7, "rows": [SLICE | {"worse": True}]}, warnings=["The model is worse there."])
    assert told(warned)[2]["What is wrong?"] == "The model is worse there."


def test_a_slice_that_is_no_point_lower_is_not_called_the_weakest():
    even = SLICE | {"accuracy": 0.873, "rest": 0.874, "difference": -0.001}
    lines = told(model(slices={"looked_at": 7, "rows": [even]}))[2]
    assert lines["What is wrong?"] == "Nothing was found that speaks against it."


def test_without_labelled_test_clips_nobody_knows():
    shown = glance("topic", {"classes": ["a"]}, REFUSED, {})
    assert (shown.accuracy, shown.tone) == (None, "wait")
    assert "no test clip has a label by people" in shown.verdict
    assert any("kedro labels push" in answer for line in shown.lines for answer in line.answers)


def test_numbers_of_earlier_versions_are_enough():
    test = {"n": 4, "accuracy": 0.75, "macro_f1": 0.4, "ece": 0.1}
    simple = {"accuracy": 0.625, "macro_f1": 0.2, "ece": 0.1}
    verdict, tone, lines = told({"test": test, "baselines": {"majority": simple}}, None)
    assert (verdict, tone) == ("It was measured.", "wait")
    assert lines == {
        "Better than the obvious?": (
            "The best simple model (always the commonest answer) is right on 62 %, this one on 75 %."
        )
    }


@pytest.mark.parametrize(
    ("gate", "served", "answer"),
    [
        ({"decision": "promote", "forced": True}, True, "Yes, by force"),
        ({"decision": "keep", "champion": "a", "challenger": "a"}, True, "Yes, since before: nothing changed"),
        (
            {"decision": "keep", "champion": "a", "challenger": "b"},
            True,
            "Yes, since before: the model that was trained",
        ),
        ({"decision": "keep", "champion": "a", "challenger": "b"}, False, "No: another model is served"),
    ],
)
def test_whether_it_is_served_is_told_with_the_reason(gate, served, answer):
    assert told(model(served=served), gate)[2]["Is it served?"].startswith(answer)
