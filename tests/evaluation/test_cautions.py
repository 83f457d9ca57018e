from cu_pipeline.evaluation.cautions import cautions


def baseline(accuracy, gain, better, half=0.06, knows=True):
    return {
        "beats_majority": knows,
        "accuracy": accuracy,
        "gain": {"accuracy": gain, "ci95": [gain - half, gain + half], "p_value": 0.01 if better else 0.4},
        "shown_better": better,
    }


def measured(accuracy=0.8, better=True, **baselines):
    skill = {
        "n": 40,
        "accuracy_gain": 0.3 if better else 0.0,
        "loss_gain": 0.5,
        "p_value": 0.01 if better else 0.8,
        "better": better,
    }
    majority = {"majority": baseline(0.5, accuracy - 0.5, better)}
    return {"test": {"accuracy": accuracy}, "skill": skill, "baselines": majority | baselines}


def test_of_a_model_that_is_shown_better_than_all_nothing_is_said():
    assert cautions(measured(tfidf_logistic=baseline(0.6, 0.2, better=True))) == []


def test_a_baseline_that_the_model_is_not_shown_to_beat_is_named_with_the_numbers_that_are_shown():
    found = cautions(measured(tfidf_logistic=baseline(0.79, 0.01, better=False)))
    assert found == [
        "The model (accuracy 0.800) is not shown to be better than tfidf logistic (accuracy 0.790, the model gains "
        "+0.010 [-0.050, +0.070])."
    ]


def test_a_baseline_that_is_right_on_the_same_clips_is_given_no_interval_of_no_width():
    found = cautions(measured(tfidf_logistic=baseline(0.8, 0.0, better=False, half=0.0)))
    assert found[0].endswith("better than tfidf logistic (accuracy 0.800, as often in every unit).")


def test_a_baseline_that_is_shown_to_be_better_is_told_apart_from_one_that_only_may_be():
    found = cautions(measured(a=baseline(0.95, -0.15, better=False), b=baseline(0.82, -0.02, better=False)))
    assert found[0].startswith("The model (accuracy 0.800) is worse than a (accuracy 0.950, the model gains -0.150 [")
    assert found[1].startswith("The model (accuracy 0.800) is not shown to be better than b (")


def test_a_model_that_is_better_by_its_probabilities_alone_is_told_to_be_right_no_more_often():
    (told,) = cautions(measured(majority=baseline(0.8, 0.0, better=False)))
    assert told.startswith("The model's probabilities tell clips apart, but its answers are not shown to be right more")
    assert "accuracy 0.800 beside 0.800 (the model gains +0.000 [-0.060, +0.060])" in told
    assert not cautions(measured(majority=baseline(0.5, 0.3, better=True)))
    (useless,) = cautions(measured(better=False, majority=baseline(0.8, 0.0, better=False)))
    assert useless.startswith("The model is no better than the majority")


def test_the_baselines_that_gain_most_are_named_first_and_the_others_counted():
    gains = {"a": 0.02, "b": -0.01, "c": 0.03, "d": 0.01}
    text = cautions(measured(**{name: baseline(0.8 - gain, gain, better=False) for name, gain in gains.items()}))[0]
    assert text.index("than b (") < text.index(", d (") < text.index(", a (")
    assert text.endswith(" and 1 more.")


def test_a_shortcut_that_is_about_as_good_is_told_even_where_the_model_is_shown_better():
    close, far = (cautions(measured(metadata_only=baseline(0.8 - gain, gain, better=True))) for gain in (0.03, 0.1))
    assert close == [
        "Duration, size and other facts of the file alone do about as well as the model: accuracy 0.770 beside 0.800 "
        "(the model gains +0.030 [-0.030, +0.090]). What the model recognises may be that."
    ]
    assert far == []


def test_a_shortcut_that_knows_nothing_explains_nothing():
    found = cautions(measured(accuracy=0.5, better=False, metadata_only=baseline(0.52, -0.02, False, knows=False)))
    assert found[0].startswith("The model is no better than the majority on 40 test clips")
    assert not any("about as well" in text for text in found)


def test_the_worst_slice_is_named():
    row = {"column": "language", "value": "de", "n": 30, "accuracy": 0.5, "rest": 0.9, "p_adjusted": 0.01}
    slices = {"looked_at": 3, "rows": [row | {"worse": True}]}
    assert cautions(measured() | {"slices": slices}) == [
        "The model is worse where language is de: accuracy 0.500 on 30 clips, 0.900 elsewhere (p = 0.01 for 3 slices)."
    ]


def test_older_metrics_without_comparisons_or_a_test_split_are_no_reason_to_fail():
    assert cautions({"train": {"accuracy": 1.0}}) == []
    assert cautions({"test": {"accuracy": 0.5}, "baselines": {"majority": {"accuracy": 0.5}}}) == []
