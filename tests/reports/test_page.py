import json
import re
from html.parser import HTMLParser

import pytest
from tests.drift_files import cause_told

from cu_pipeline.compute.worker_pool import LocalMapper
from cu_pipeline.core import counters
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.reports import page as report
from cu_pipeline.reports.cards import ReportOptions
from cu_pipeline.reports.data_card import data_card, describe_clips, describe_labels
from cu_pipeline.reports.data_page import data_section, render_data_page
from cu_pipeline.reports.labels_section import labels_section, with_evidence
from cu_pipeline.reports.models_section import models_section

OPTIONS = ReportOptions()
PAGES = {"index.html", "drift.html", "data_card.html", "iterations.html"}
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Reads tags and their attributes, and checks that they nest."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text, self._open = [], [], []
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag, f"</{tag}> closes another tag at {self.getpos()}"

    def handle_data(self, data):
        self.text.append(data)


def render_page(results, thumbnails, options, mapper):
    """Do what the nodes of the report pipeline do."""
    clips, labels = results.clips, results.labels
    counts = labels_section(clips, results.annotations, labels, results.capabilities)
    sections = {
        "data": data_section(results.data_card, clips, results.rejects, options),
        "labels": with_evidence(counts, clips, **vars(results.label_evidence)),
        "models": models_section(results.metrics, results.gate, results.insights, clips, options),
    }
    illustrated = report.illustrate(sections, thumbnails, options, mapper)
    return report.render_page(illustrated, results.delivery, results.drift, options)


@pytest.fixture(scope="module")
def card_html(make_results, duplicates, tmp_path_factory):
    results = make_results()
    thumbnails = tmp_path_factory.mktemp("card_thumbnails")
    return render_data_page(
        json.loads(json.dumps(results.data_card)),
        results.clips,
        duplicates(results.clips),
        thumbnails,
        OPTIONS,
        LocalMapper(1),
    )


@pytest.fixture(scope="module")
def html(make_results, tmp_path_factory):
    return render_page(make_results(), tmp_path_factory.mktemp("thumbnails"), OPTIONS, LocalMapper(1))


@pytest.mark.parametrize("name", ["html", "card_html"])
def test_the_pages_need_no_other_file_and_no_network(name, request, foreign_loads):
    html = request.getfixturevalue(name)
    assert foreign_loads(html) == []
    page = Page(html)
    sources = [attrs[key] for _, attrs in page.tags for key in ("src", "href", "srcset", "poster") if key in attrs]
    assert all(source.startswith(("data:", "#", "model_cards/")) or source in PAGES for source in sources)
    assert not {"script", "link", "iframe", "object", "embed"} & {tag for tag, _ in page.tags}
    style = re.search(r"<style>(.*?)</style>", html, re.S).group(1)
    assert "url(" not in style
    assert "@import" not in style


def test_foreign_text_is_shown_as_text(html):
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "{{ 7 * 7 }}" in "".join(Page(html).text)


def test_the_numbers_given_are_shown(html):
    text = " ".join("".join(Page(html).text).split())
    for shown in (
        "81 % right",
        "0.812",
        "0.742 to 0.873",
        "0.600",
        "0.071",
        "2refused",
        "median 2.1 → 4.4",
        "0.006",
        "3.1e-07",
    ):
        assert shown in text, shown
    assert "There is no champion yet." in text
    assert "cu_pipeline:0a1b2c3d4e5f" in text


def test_every_picture_has_words(html):
    pictures = [attrs for tag, attrs in Page(html).tags if tag == "img"]
    assert len(pictures) >= 8
    assert all(attrs["alt"].strip() for attrs in pictures)


def test_the_data_card_shows_groups_people_classes_and_the_check_for_shortcuts(card_html):
    page = Page(card_html)
    text = " ".join("".join(page.text).split())
    for shown in (
        "3 clips, train",
        "the same bytes",
        "7.2 bits apart",
        "Krippendorff's alpha 0.81 (0.70 to 0.90)",
        "anna",
        "What metadata alone tell",
        "truncated",
    ):
        assert shown in text, shown
    ids = {attrs.get("id") for tag, attrs in page.tags if tag == "section"}
    assert {attrs["href"][1:] for _, attrs in page.tags if attrs.get("href", "").startswith("#")} == ids
    assert "<script" not in card_html


def test_a_data_card_without_clips_is_a_page(make_results, duplicates, tmp_path):
    empty = make_results().clips.iloc[:0]
    nothing = ResolvedCapabilities()
    checks = {"classes": {}, "rare_classes": [], "least": 5}
    results = make_results()
    about_clips = describe_clips(empty, results.rejects.iloc[:0], duplicates(empty), {})
    about_labels = describe_labels(empty, results.labels.iloc[:0], nothing, 0)
    card = data_card(about_clips, about_labels, checks, {}, nothing)
    Page(render_data_page(json.loads(json.dumps(card)), empty, duplicates(empty), tmp_path, OPTIONS, LocalMapper(1)))


def test_each_section_is_reachable_from_the_navigation(html):
    page = Page(html)
    ids = {attrs.get("id") for tag, attrs in page.tags if tag == "section"}
    links = {attrs["href"][1:] for tag, attrs in page.tags if tag == "a" and attrs["href"].startswith("#")}
    assert links == ids == {"glance", "data", "labels", "models", "service", "drift", "runs"}


def test_equal_results_give_equal_pages(html, make_results, tmp_path):
    assert render_page(make_results(), tmp_path, OPTIONS, LocalMapper(1)) == html


def test_a_single_capability_and_a_skipped_one(make_results, tmp_path):
    html = render_page(make_results(capabilities=("topic",)), tmp_path, OPTIONS, LocalMapper(1))
    Page(html)
    assert "the feed has no label for it" in html


def test_a_model_without_labelled_test_clips_is_called_not_measured(make_results, tmp_path):
    results = make_results()
    results.metrics["topic"] = {"classes": ["a"], "train": results.metrics["topic"]["train"]}
    html = render_page(results, tmp_path, OPTIONS, LocalMapper(1))
    assert "not measured" in html


def test_nothing_delivered_and_too_little_traffic(make_results, tmp_path):
    results = make_results()
    results.delivery.clear()
    results.delivery.update({"bento": None, "bentoml_home": "x", "capabilities": {}})
    results.drift.update(
        {"decision": "not_enough_data", "tests": [], "current": {"n": 0, "requests": 0, "from": None, "to": None}}
    )
    html = render_page(results, tmp_path, OPTIONS, LocalMapper(1))
    Page(html)
    assert "no champion" in html
    assert "Nothing is served" in html
    assert "make serve" not in html
    assert "not enough data" in html


def test_the_report_tells_drift_with_its_causes_and_what_must_be_said_first(make_results, tmp_path):
    results = make_results()
    results.drift |= {"notices": ["the service serves other models"], "causes": [cause_told(in_words="pets <b>")]}
    html = render_page(results, tmp_path, OPTIONS, LocalMapper(1))
    Page(html)
    for name in ("glance", "drift"):
        part = html.partition(f'<section id="{name}">')[2].partition("</section>")[0]
        assert part.index("The service serves other models.") < part.index("Pets &lt;b&gt;.")
    assert "12 % of the clips, since 2026-03-03 14:00 UTC." in part
    assert "median 2.1 → 4.4" in part


def test_no_clips_are_refused_and_none_are_shown(make_results, tmp_path):
    results = make_results()
    options = ReportOptions(thumbnails=0, examples=0)
    html = render_page(results, tmp_path, options, LocalMapper(1))
    Page(html)
    assert "Surest mistakes" not in html


def _video(path, seconds=1):
    import av
    import numpy as np

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 96, "yuv420p"
        for number in range(10 * seconds):
            frame = av.VideoFrame.from_ndarray(np.full((96, 64, 3), 20 * number % 255, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def test_pictures_are_made_once_and_broken_clips_have_none(make_results, tmp_path):
    _video(tmp_path / "good.mp4")
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    results = make_results(paths=[tmp_path / "good.mp4", tmp_path / "bad.mp4"])
    made = []
    for _ in range(2):
        counters.reset()
        html = render_page(results, tmp_path / "thumbnails", ReportOptions(thumbnails=240, examples=0), LocalMapper(1))
        made.append(counters.counts()["thumbnails_made"])
    assert made == [2, 0]
    assert html.count("data:image/jpeg") == html.count('alt="Frame of clip c000') > 0


def test_the_labels_section_shows_the_promise_the_bill_and_suspect_labels(make_results, tmp_path):
    page = render_page(make_results(), tmp_path, ReportOptions(), LocalMapper(1))
    labels = page.split('<section id="labels">')[1].split("</section>")[0]
    assert "Topic: no machine label is certified." in labels
    assert "US dollars paid to each source" in labels
    assert "pairs agree. " in labels.replace("\n", " ")
    assert "Until now a right label has cost $0.084, 95 % interval $0.08 to $0.088;" in labels
    assert "people and the language model agree on 90 % of 90 clips that both labelled (82 % to 95 %)" in labels
    assert "cooking? Rather comedy" in labels
    assert "right with 12%" in labels


def test_sources_have_the_names_that_people_use(make_results, tmp_path):
    page = render_page(make_results(), tmp_path, ReportOptions(), LocalMapper(1))
    labels = page.split('<section id="labels">')[1].split("</section>")[0]
    for name in ("people", "language model", "rules"):
        assert f'<th scope="row">{name}</th>' in labels
    for name in ("human", "llm", "rule"):
        assert f'<th scope="row">{name}</th>' not in labels


def test_money_for_answers_that_were_sent_back_is_shown(make_results, tmp_path):
    page = render_page(make_results(), tmp_path, ReportOptions(), LocalMapper(1))
    assert page.count('$9.60<span class="interval">of which $1.08 for answers sent back</span>') == 2
    assert '<span class="interval">of which $2.16 for answers sent back</span>' in page


def test_clips_in_the_queue_are_shown_with_the_commands_that_send_them(make_results, tmp_path):
    page = " ".join(render_page(make_results(), tmp_path, ReportOptions(), LocalMapper(1)).split())
    assert "4 clips are in the queue: 1 drawn at random, 2 by value, 1 with a known answer." in page
    assert "kedro labels push" in page


def test_a_capability_that_waits_for_people_is_shown_with_its_labels_and_without_a_model(make_results, tmp_path):
    results = make_results()
    results.capabilities.waiting["topic"] = "no person has labelled it yet"
    del results.metrics["topic"], results.gate["topic"], results.delivery["capabilities"]["topic"]
    page = render_page(results, tmp_path, ReportOptions(), LocalMapper(1))
    Page(page)
    labels, models = (page.split(f'<section id="{name}">')[1].split("</section>")[0] for name in ("labels", "models"))
    assert '<span class="badge wait">waits for people</span>' in labels
    assert "No person has labelled it yet. No model is trained until then." in labels
    assert '<h3>topic <span class="badge wait">no model</span></h3>' in models
    assert '<h3>safety <span class="badge wait">no model</span></h3>' not in models


def test_the_served_model_comes_first_and_a_challenger_stands_beside_it(make_results, tmp_path):
    results = make_results(capabilities=("topic",))
    found = results.metrics["topic"]
    worse = found["test"] | {"accuracy": 0.5}
    found |= {"served": True, "model_version": "a1b2c3d4e5f6"}
    found["challenger"] = {"model_version": "0123456789ab", "test": worse}
    html = render_page(results, tmp_path, OPTIONS, LocalMapper(1))
    assert "81 % right" in html.split('<article class="verdict')[1].split("</article>")[0]
    compared = html.split('<section id="models">')[1].split("Beside simpler models")[1].split("</table>")[0]
    assert re.findall(r'<th scope="row">(.*?)</th>', compared)[:3] == ["served model", "challenger, kept back", "tfidf"]
    assert "another model is served" not in html
    results.delivery["capabilities"]["topic"]["model_version"] = "ffffffffffff"
    assert "another model is served" in render_page(results, tmp_path, OPTIONS, LocalMapper(1))


def test_a_capability_that_waits_again_keeps_its_served_model_on_the_page(make_results, tmp_path):
    results = make_results(capabilities=("topic",))
    results.metrics.pop("topic")
    models = render_page(results, tmp_path, OPTIONS, LocalMapper(1)).split('<section id="models">')[1]
    assert "no new model" in models
    assert "which was trained before, is served on" in models


def test_a_model_that_learned_nothing_and_what_it_was_chosen_from_are_shown(make_results, tmp_path):
    results = make_results()
    name, found = next(iter(results.metrics.items()))
    skill = {"n": 48, "accuracy_gain": 0.02, "loss_gain": -0.1, "p_value": 0.61, "better": False}
    row = {"worse_by": 0.0, "standard_error": 0.0, "seconds": 1.25, "note": ""}
    rows = [
        {"family": "majority", "loss": 1.7321, "chosen": True} | row,
        {"family": "linear", "loss": None, "chosen": False} | row | {"note": "left out: 20 minutes were over"},
    ]
    results.metrics[name] = found | {"skill": skill, "candidates": rows}
    text = " ".join("".join(Page(render_page(results, tmp_path, OPTIONS, LocalMapper(1))).text).split())
    assert text.count("no better than the majority on 48 test clips (accuracy +0.020, loss +0.100, p = 0.61)") == 1
    assert text.count("It has learned nothing that tells clips apart.") == 2, "at a glance, and beside its numbers"
    assert "majority ✓1.732" in text
    assert "left out: 20 minutes were over" in text


TESTED = {
    "decision": "promote", "test": "one-sided t test over units (cluster-robust)", "p_value": 0.0123, "effect": 0.081,
    "reasons": ["it is better"], "challenger": "b", "champion": "a", "against": "champion", "effect_shrunk": 0.052,
    "interval": [0.011, 0.151], "alpha": 0.035, "forced": False, "baselines": [],
    "account": {"tests": 0.5, "made": 3, "fresh": 0.25, "alpha": 0.035, "spent": 0.0175},
    "power": {"clips": 300, "units": 82, "alpha": 0.035, "smallest_gain": 0.09, "more_clips": 210, "assumed": False,
              "wished_gain": 0.05},
    "slices": [{"name": "lang=de", "clips": 40, "effect": -0.02, "p_value": 1.0}],
}  # fmt: skip


def page_with(results, gate, thumbnails):
    results.gate["topic"] = gate
    return render_page(results, thumbnails, OPTIONS, LocalMapper(1))


def test_the_gates_evidence_is_shown(make_results, tmp_path):
    page = page_with(make_results(), TESTED, tmp_path)
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    assert "Gain in accuracy over the champion +8.1 points, 95 % interval +1.1 to +15.1" in text
    assert "Likely worth +5.2 points" in text
    assert "0.012, promoted if at most 0.0350" in text
    assert "300 of 82 units; 0.5 tests before were on them, 25 % are fresh" in text
    assert "0.0175 of the chance" in text
    assert "a gain of 9 points in four of five cases; 210 more labelled test clips would show 5" in text
    assert "lang=de 40 -2.0 1.000" in text


def test_a_model_that_was_promoted_by_force_says_so(make_results, tmp_path):
    page = page_with(make_results(), TESTED | {"forced": True}, tmp_path)
    assert "promoted by force" in page


def test_what_the_next_challenger_may_show_is_told_where_nothing_was_tested(make_results, tmp_path):
    nothing = dict.fromkeys(("p_value", "alpha", "effect", "effect_shrunk", "interval"))
    page = page_with(make_results(), TESTED | nothing | {"decision": "keep"}, tmp_path)
    assert "a gain of 9 points would be seen in four of five cases with 82 units" in page
