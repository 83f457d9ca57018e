"""What people see and do on the page at `/`, in a real browser."""

import json
import time
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient
from tests.service.api.conftest import close, make_service
from tests.service.page.conftest import ExplainingEngine, serve

from cu_pipeline.service.security.api_keys import NewKey, create_key, utc_now

FAINT = """(() => {
  const parts = (colour) => colour.match(/[0-9.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((one) => one / 255)
    .map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4))
    .reduce((sum, one, place) => sum + one * [0.2126, 0.7152, 0.0722][place], 0);
  const ground = (one) => {
    for (; one; one = one.parentElement) {
      const colour = parts(getComputedStyle(one).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const texts = [...document.querySelectorAll("body *")].filter((one) =>
    one.checkVisibility() && [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
  return texts.map((one) => {
    const [a, b] = [light(parts(getComputedStyle(one).color)), light(ground(one))];
    return [one.textContent, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
  }).filter(([, contrast]) => contrast < 4.5);
})()"""
"""Texts whose contrast to their ground is below that of WCAG 2.2, level AA."""


@pytest.fixture
def page(tab, served):
    tab.open(served.url)
    tab.run("sessionStorage.clear()")
    tab.wait("document.querySelectorAll('#sample-list button').length")
    return tab


def ask(tab, caption=None):
    if caption is not None:
        tab.run(f"document.querySelector('#caption').value = {json.dumps(caption)}")
    tab.click("#send")
    tab.wait("!document.querySelector('#result').hidden || !document.querySelector('#error').hidden")


def test_a_sample_is_answered_with_frames_text_chances_and_parts(page, served):
    assert page.text("#sample-list") == "what a goal"
    page.click("#sample-list button")
    page.wait("document.querySelector('#chosen-name').textContent.startsWith('goal.mp4')")
    ask(page)
    content, request = served.engine.seen[-1]
    assert (content, request.caption, request.explain) == (b"a clip", "what a goal", True)
    topic = page.text("#capabilities article:nth-child(2)")
    assert "sport" in topic
    assert "90 % sure" in topic
    assert page.run("document.querySelectorAll('.frames img').length") == 2
    assert "SHOP NOW" in page.text("#seen")
    parts = page.run("[...document.querySelectorAll('article:nth-child(2) .parts li')].map(one => one.innerText)")
    assert [" ".join(one.split()) for one in parts] == [
        "caption 40 % → 90 %, +50 points; without it cooking is likelier",
        "frames 90 % → 90 %, no difference",
    ]
    marks = page.run("[...document.querySelectorAll('.threshold')].map(mark => mark.style.left)")
    assert marks == ["40%", "35%", "60%", "60%"]
    assert page.complaints() == []


def test_a_caption_alone_is_answered_by_keyboard(page, served):
    page.run("document.querySelector('#caption').focus()")
    page.write("ranked match")
    page.press("Tab")
    page.press("Tab")
    assert page.run("document.activeElement.id") == "send"
    page.press("Enter")
    page.wait("!document.querySelector('#result').hidden")
    assert served.engine.seen[-1][1].caption == "ranked match"
    assert "safety: \u2068暴力内容\u2069; topic: sport (ranked match)" in page.text("#told")


def test_a_sample_is_answered_and_corrected_by_keyboard(page, served):
    def tab_to(condition):
        for _ in range(40):
            page.press("Tab")
            if page.run(f"Boolean({condition})"):
                return
        raise AssertionError(condition)

    tab_to("document.activeElement.id === 'video'")
    assert page.run("getComputedStyle(document.querySelector('.drop')).outlineStyle") == "solid"
    tab_to("document.activeElement.closest('#sample-list')")
    page.press("Enter")
    page.wait("!document.querySelector('#chosen').hidden")
    tab_to("document.activeElement.id === 'send'")
    page.press("Enter")
    page.wait("!document.querySelector('#result').hidden")
    tab_to("document.activeElement.matches('article:nth-child(2) select')")
    page.press("c", "c")
    tab_to("document.activeElement.matches('article:nth-child(2) .correct button')")
    page.press("Enter")
    page.wait("document.querySelector('.thanks')")
    assert (served.feedback()[-1].capability, served.feedback()[-1].label) == ("topic", "cooking")


def test_no_answer_is_told_with_its_reason(page):
    ask(page, "unsure")
    topic = page.text("#capabilities article:nth-child(2)")
    assert "no answer" in topic
    assert "No class is sure enough: the likeliest is sport with 55 %, and it answers from 60 % on." in topic


def test_a_correction_is_kept_under_the_request(page, served):
    ask(page, "ranked match")
    page.run("document.querySelector('article:nth-child(2) select').value = 'cooking'")
    page.click("article:nth-child(2) .correct button")
    page.wait("document.querySelector('.thanks')")
    assert "Thank you: topic is cooking" in page.text(".thanks")
    page.click("article:nth-child(1) .correct input[value='暴力内容']")
    page.click("article:nth-child(1) .correct button")
    page.wait("document.querySelectorAll('.thanks').length === 2")
    told = served.feedback()
    assert [(one.capability, one.label) for one in told][-2:] == [("topic", "cooking"), ("safety", "none")]
    assert all(served.log.knows(one.request_id) for one in told)


def test_a_refused_clip_is_told_in_the_words_of_the_service(page, tmp_path):
    clip = tmp_path / "broken.mp4"
    clip.write_bytes(b"broken")
    page.choose_file("#video", clip)
    page.wait("!document.querySelector('#chosen').hidden")
    ask(page, "")
    told = page.text("#error")
    assert "This file is not a video that can be read." in told
    assert "The service says: not a media file" in told
    assert page.run("document.querySelector('#result').hidden")
    assert not page.run("document.querySelector('#send').disabled")


def test_a_clip_over_the_limit_is_refused_before_it_is_sent(page, served, tmp_path):
    clip = tmp_path / "long.mp4"
    clip.write_bytes(bytes(2_100_000))
    page.choose_file("#video", clip)
    page.wait("!document.querySelector('#chosen').hidden")
    before = len(served.engine.seen)
    ask(page, "")
    assert "The clip has 2.1 MB; the service takes at most 2.0 MB." in page.text("#error")
    assert len(served.engine.seen) == before


def test_waiting_can_be_ended(page, served):
    before = served.engine.cancelled
    page.run("document.querySelector('#caption').value = 'slow'")
    page.click("#send")
    page.wait("!document.querySelector('#cancel').hidden")
    assert page.text("#doing") == "Looking at it…"
    page.click("#cancel")
    page.wait("document.querySelector('#cancel').hidden")
    assert page.run("document.querySelector('#error').hidden && document.querySelector('#result').hidden")
    end = time.monotonic() + 5
    while served.engine.cancelled == before and time.monotonic() < end:
        time.sleep(0.02)
    assert served.engine.cancelled == before + 1


def test_a_service_that_is_gone_is_told(page):
    page.command("Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0, uploadThroughput=0)
    try:
        ask(page, "ranked match")
        assert "The connection broke. Is the service running?" in page.text("#error")
    finally:
        page.command(
            "Network.emulateNetworkConditions", offline=False, latency=0, downloadThroughput=-1, uploadThroughput=-1
        )


def test_an_answer_that_is_no_json_is_told(page):
    page.run(
        "XMLHttpRequest.prototype.open = new Proxy(XMLHttpRequest.prototype.open, {"
        "apply: (open, self, [method]) => open.call(self, 'GET', 'page/page.css')})"
    )
    ask(page, "ranked match")
    assert "What answered is not the service: status 200" in page.text("#error")


def test_many_classes_in_any_script_fit_a_phone(tab, odd):
    tab.open(odd.url, width=390, height=844)
    tab.wait("document.querySelector('#caption')")
    ask(tab, "ranked match")
    assert tab.run("document.documentElement.scrollWidth") <= 390
    assert tab.run("document.querySelectorAll('.chances li').length") == 60
    assert tab.run("document.querySelector('.chances').tabIndex") == 0
    assert "Prediction set: \u2068موضوع رقم 1 a\u2069, " in tab.text("article")
    assert "it applies to feeds: texts.csv, not videos.csv" in tab.text("article:nth-child(2)")
    assert tab.run("document.querySelector('#samples').hidden")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(tab, served, scheme):
    tab.open(served.url, scheme=scheme)
    tab.wait("document.querySelectorAll('#sample-list button').length")
    ask(tab, "unsure")
    tab.click("article:nth-child(1) .correct button")
    tab.wait("document.querySelector('.thanks')")
    tab.run("document.querySelector('#caption').value = ''")
    tab.click("#send")
    tab.wait("!document.querySelector('#error').hidden")
    assert tab.run(FAINT) == []


def test_nothing_is_sent_where_there_is_nothing(page, served):
    before = len(served.engine.seen)
    ask(page, "   ")
    assert "Choose a clip, write its caption, or both." in page.text("#error")
    assert len(served.engine.seen) == before


def test_earlier_answers_can_be_looked_at_again(page):
    ask(page, "first")
    page.run("document.querySelector('#result').hidden = true")
    ask(page, "second")
    assert page.run("document.querySelectorAll('#history-list li').length") == 2
    page.click("#history-list li:nth-child(2) button")
    assert "first" in page.text("#seen")


def test_a_phone_needs_no_scrolling_to_the_side(tab, served):
    tab.open(served.url, width=390, height=844, scheme="dark")
    tab.wait("document.querySelectorAll('#sample-list button').length")
    ask(tab, "a" * 300)
    assert tab.run("document.documentElement.scrollWidth") <= 390


def test_the_page_asks_no_other_host(page, served):
    ask(page, "ranked match")
    hosts = {urlsplit(one).netloc for one in page.requested() if urlsplit(one).scheme in {"http", "https", "ws"}}
    assert hosts == {urlsplit(served.url).netloc}


def test_a_key_is_asked_for_and_sent(tab, tmp_path):
    key, _ = create_key(tmp_path / "keys.json", NewKey("page"), utc_now())
    made = make_service(tmp_path, engine=ExplainingEngine())
    url, end = serve(made.app)
    try:
        tab.open(url)
        tab.wait("!document.querySelector('#key-row').hidden")
        ask(tab, "ranked match")
        assert tab.text("#error") != ""
        tab.run(f"document.querySelector('#key').value = {json.dumps(key)}")
        ask(tab)
        tab.wait("!document.querySelector('#result').hidden")
    finally:
        end()
        close(made)


def test_only_samples_that_are_there_are_served(served):
    with TestClient(served.app, base_url="http://localhost", client=("127.0.0.1", 1)) as client:
        assert client.get("/samples").json() == {"samples": [{"file": "goal.mp4", "caption": "what a goal"}]}
        assert client.get("/samples/goal.mp4").content == b"a clip"
        assert [client.get(f"/samples/{name}").status_code for name in ("gone.mp4", "samples.json", "%2e%2e")] == [
            404
        ] * 3
        assert client.get("/page/__init__.py").status_code == 404
