import numpy as np
import pytest

from cu_pipeline.reports.figures import confusion_figure, interval_figure, png, quantile_figure, reliability_figure, svg

FIGURES = {
    "matrix": lambda: confusion_figure([[5, 1], [0, 7]], ["cats", "dogs"]),
    "presence": lambda: confusion_figure({"advert": [[9, 1], [2, 4]]}, ["advert"]),
    "reliability": lambda: reliability_figure([{"confidence": 0.9, "accuracy": 0.8, "n": 10}], 0.1),
    "intervals": lambda: interval_figure([("ours", 0.8, 0.7, 0.9), ("majority", 0.3, 0.2, 0.4)], "accuracy"),
    "quantiles": lambda: quantile_figure([1.0, 2.0, 2.5], "duration, s"),
}


@pytest.mark.parametrize("make", FIGURES.values(), ids=FIGURES)
def test_equal_figures_give_equal_bytes(make):
    assert svg(make()) == svg(make())


def test_the_matrix_shows_counts_where_they_belong():
    axes = confusion_figure([[5, 1], [0, 7]], ["cats", "dogs"]).axes[0]
    found = {(text.get_position(), text.get_text()) for text in axes.texts}
    assert found == {((0, 0), "5"), ((1, 0), "1"), ((1, 1), "7")}
    assert axes.get_ylabel() == "truth"


def test_bars_of_a_multi_label_capability_add_up():
    axes = confusion_figure({"advert": [[9, 1], [2, 4]]}, ["advert"]).axes[0]
    assert [patch.get_width() for patch in axes.patches] == [4, 2, 1]


def test_odd_class_names_do_not_stop_a_figure():
    names = ["$x_{", "a" * 80, "tab\there", "ok"]
    assert svg(confusion_figure(np.eye(4, dtype=int).tolist(), names))


def test_empty_reliability_is_drawn():
    assert svg(reliability_figure([], 0.0))


def test_names_in_scripts_that_the_font_lacks_stay_readable_and_say_nothing():
    figure = confusion_figure(np.eye(2, dtype=int).tolist(), ["名前", "a <b> & c"])
    drawn = svg(figure).decode()
    assert "名前" in drawn
    assert "a &lt;b&gt; &amp; c" in drawn
    assert png(figure)
