from cu_pipeline.tracking.run_metrics import drift_metrics, gate_metrics, main_metrics, model_metrics, selection_metrics

NOTHING = dict.fromkeys(("p_value", "alpha", "effect", "effect_shrunk", "interval", "account", "power"))


def test_a_run_shows_few_numbers_of_each_capability() -> None:
    report = {
        "topic": {
            "test": {"n": 9, "accuracy": 0.5, "macro_f1": 0.4, "ci95": {"accuracy": [0.4, 0.6], "macro_f1": None}},
            "train": {"accuracy": 1},
            "cross_fitted": {"accuracy": 0.55, "n": 40},
            "baselines": {"majority": {"accuracy": 0.2, "ci95": {}}, "tfidf": {"accuracy": 0.45}},
            "classes": ["a"],
            "confusion": [[1]],
        }
    }
    assert main_metrics(report) == {
        "topic/test/accuracy": 0.5,
        "topic/test/macro_f1": 0.4,
        "topic/test/accuracy_low": 0.4,
        "topic/test/accuracy_high": 0.6,
        "topic/test/best_baseline": 0.45,
        "topic/cross_fitted/accuracy": 0.55,
    }


def test_runs_are_compared_by_what_they_trained_and_the_champion_stands_beside() -> None:
    trained = {"test": {"accuracy": 0.5}, "model_version": "bbb"}
    report = {"topic": {"test": {"accuracy": 0.75}, "train": {"accuracy": 1}, "challenger": trained}}
    assert main_metrics(report) == {"topic/test/accuracy": 0.5, "topic/champion/accuracy": 0.75}
    assert model_metrics(report["topic"]) == {"test": {"accuracy": 0.5}}


def test_a_model_has_every_number_by_the_split_that_it_is_of() -> None:
    found = {
        "test": {"n": 9, "accuracy": 0.5, "ci95": {"accuracy": [0.4, 0.6]}, "units": 3, "auroc": None},
        "train": {"accuracy": 1, "n": 20},
        "skill": {"p_value": 0.01, "better": True},
        "calibration": {"before": {"ece": 0.2}, "after": None},
        "baselines": {"majority": {"accuracy": 0.2}},
    }
    assert model_metrics(found) == {
        "train": {"train/accuracy": 1.0, "train/n": 20.0},
        "test": {
            "n": 9.0, "accuracy": 0.5, "units": 3.0, "accuracy_low": 0.4, "accuracy_high": 0.6, "skill/p_value": 0.01,
            "calibration_before/ece": 0.2, "baseline/majority/accuracy": 0.2,
        },
    }  # fmt: skip


def test_decisions_of_the_gate_are_numbers_too() -> None:
    tested = {"decision": "promote", "forced": False, "p_value": 0.01, "alpha": 0.035}
    tested |= {"effect": 0.1, "effect_shrunk": 0.08, "interval": [0.02, 0.18], "account": {"spent": 0.0}}
    tested |= {"power": {"units": 80, "smallest_gain": 0.09, "more_clips": 210, "assumed": False}}
    main, others = gate_metrics(tested)
    assert main == {"promoted": 1, "p_value": 0.01, "effect": 0.1}
    assert others == {
        "alpha": 0.035, "effect_shrunk": 0.08, "effect_low": 0.02, "effect_high": 0.18, "units": 80,
        "smallest_gain": 0.09, "more_clips": 210, "alpha_spent": 0, "forced": 0,
    }  # fmt: skip
    assert gate_metrics({"decision": "keep", "forced": True} | NOTHING) == ({"promoted": 0}, {"forced": 1})


def test_of_drift_come_how_much_there_is_and_the_least_corrected_p_value() -> None:
    tests = [{"drifted": True, "p_adjusted": 0.01}, {"drifted": False, "p_adjusted": 0.4}]
    assert drift_metrics({"tests": tests}) == {"drift/drifted": 1, "drift/least_p_adjusted": 0.01}
    assert drift_metrics({"decision": "too_few_clips", "tests": []}) == {}


def test_families_that_were_compared_have_their_losses() -> None:
    rows = [{"family": "linear", "loss": 0.5, "worse_by": 0.0, "standard_error": None}]
    assert selection_metrics(rows) == {"selection/linear/loss": 0.5, "selection/linear/worse_by": 0}
