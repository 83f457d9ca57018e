from pathlib import Path
from types import SimpleNamespace

from kedro.io import DataCatalog

from cu_pipeline.hooks.run_state import RunState
from cu_pipeline.hooks.summary import SummaryHooks, next_steps, results, summary


def test_a_run_without_a_served_model_says_how_to_get_labels() -> None:
    text = summary({"label": 1.0}, {}, None, "r1", next_steps(["topic", "safety"], served=False))
    assert "Label topic, safety  kedro labels push" in text
    assert "make serve" not in text


def test_a_served_model_is_offered_beside_capabilities_that_wait() -> None:
    text = summary({"label": 1.0}, {}, None, "r1", next_steps(["safety"], served=True))
    assert "make serve" in text
    assert "Label safety" in text
    assert "Label" not in summary({}, {}, None, "r1", next_steps([], served=True))


def test_the_end_of_a_run_tells_macro_f1_and_the_best_baseline_beside_accuracy() -> None:
    rows = {"majority": (0.93, 0.16), "tfidf_logistic": (0.94, 0.61), "metadata_only": (0.94, 0.2)}
    baselines = {name: {"accuracy": accuracy, "macro_f1": f1} for name, (accuracy, f1) in rows.items()}
    metrics = {
        "topic": {"test": {"accuracy": 0.951, "macro_f1": 0.702}, "baselines": baselines},
        "safety": {"test": {"accuracy": 0.5, "macro_f1": 0.25}, "baselines": {}},
        "mood": {"train": {"accuracy": 1.0, "macro_f1": 1.0}},
    }
    assert results(metrics).splitlines() == [
        "Results",
        "  topic   test accuracy 0.951, macro-F1 0.702; best baseline tfidf logistic: accuracy 0.940, macro-F1 0.610",
        "  safety  test accuracy 0.500, macro-F1 0.250; no baseline was measured",
    ]


def test_the_end_of_a_run_speaks_of_the_served_model_and_names_a_challenger_that_is_kept_back() -> None:
    numbers = {"accuracy": 0.756, "macro_f1": 0.7}
    beside = {"model_version": "abc", "test": {"accuracy": 0.6, "macro_f1": 0.5}}
    metrics = {
        "topic": {"test": numbers, "served": True, "challenger": beside},
        "safety": {"test": numbers, "served": False},
    }
    assert results(metrics).splitlines()[1:] == [
        "  topic   test accuracy 0.756, macro-F1 0.700; no baseline was measured; challenger abc: 0.600, kept back",
        "  safety  test accuracy 0.756, macro-F1 0.700; no baseline was measured; not served",
    ]


def test_only_a_report_that_there_is_is_pointed_at(tmp_path: Path, caplog) -> None:
    state, page = RunState(), tmp_path / "index.html"
    files = {"page": SimpleNamespace(summary="report", path="index.html")}
    state.run = SimpleNamespace(root=tmp_path, files=files, seconds={}, run_id="r1", written=list)
    caplog.set_level("INFO")
    for there in (False, True):
        if there:
            page.touch()
        SummaryHooks(state).after_pipeline_run(DataCatalog())
        assert (str(page) in caplog.text) == there


def test_the_end_of_a_run_says_where_nothing_was_learned() -> None:
    numbers = {"accuracy": 0.3, "macro_f1": 0.1}
    skill = {"n": 40, "accuracy_gain": -0.025, "loss_gain": -0.5, "p_value": 0.83, "better": False}
    line = results({"topic": {"test": numbers, "skill": skill}}).splitlines()[1]
    assert line == (
        "  topic  test accuracy 0.300, macro-F1 0.100: no better than the majority on 40 test clips (accuracy -0.025, "
        "loss +0.500, p = 0.83); no baseline was measured"
    )
    assert "majority" not in results({"topic": {"test": numbers, "skill": skill | {"better": True}}})


def test_what_to_beware_of_stands_under_the_results_and_nothing_is_said_twice() -> None:
    numbers = {"accuracy": 0.3, "macro_f1": 0.1}
    skill = {"n": 40, "accuracy_gain": -0.025, "loss_gain": -0.5, "p_value": 0.83, "better": False}
    nothing = "no better than the majority on 40 test clips (accuracy -0.025, loss +0.500, p = 0.83)"
    metrics = {
        "topic": {"test": numbers, "skill": skill, "warnings": [f"The model is {nothing}.", "It is slow."]},
        "safety": {"test": numbers, "warnings": []},
    }
    text = results(metrics)
    assert text.count(nothing) == 1
    assert text.splitlines()[-2:] == ["Beware", "  topic: It is slow."]


def test_what_is_estimated_on_training_clips_is_told_apart_from_the_test() -> None:
    numbers = {"accuracy": 0.8, "macro_f1": 0.8}
    crossed = {"n": 410, "units": 45, "accuracy": 0.92, "ci95": {"accuracy": [0.88, 0.94]}}
    line = results({"topic": {"test": numbers, "cross_fitted": crossed}}).splitlines()[1]
    assert line == (
        "  topic  test accuracy 0.800, macro-F1 0.800; no baseline was measured; cross-fitted accuracy 0.920 "
        "[0.880, 0.940] on 410 clips of 45 units that it learned from"
    )
    assert "cross-fitted" not in results({"topic": {"test": numbers, "cross_fitted": None}})
