from cu_pipeline.hooks.summary import next_steps, summary


def test_a_run_without_a_served_model_says_how_to_get_labels() -> None:
    text = summary({"label": 1.0}, {}, None, "r1", next_steps(["topic", "safety"], served=False))
    assert "Label topic, safety  kedro labels push" in text
    assert "make serve" not in text


def test_a_served_model_is_offered_beside_capabilities_that_wait() -> None:
    text = summary({"label": 1.0}, {}, None, "r1", next_steps(["safety"], served=True))
    assert "make serve" in text
    assert "Label safety" in text
    assert "Label" not in summary({}, {}, None, "r1", next_steps([], served=True))
