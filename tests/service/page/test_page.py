"""What people see and do on the page at `/`, in a real browser."""

import json
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient
from tests.service.api.conftest import close, make_service
from tests.service.page.conftest import ExplainingEngine, serve

from cu_pipeline.service.security.api_keys import NewKey, create_key, utc_now


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
    page.run("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    rows = page.run("[...document.querySelectorAll('article:nth-child(2) tbody tr')].map(row => row.innerText)")
    assert [row.split() for row in rows] == [
        ["caption", "sport", "40", "%", "90", "%", "+50", "points"],
        ["frames", "sport", "90", "%", "90", "%", "no", "difference"],
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
    assert "safety: 暴力内容; topic: sport (ranked match)" in page.text("#told")


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
    assert "not a media file" in page.text("#error")
    assert page.run("document.querySelector('#result').hidden")
    assert not page.run("document.querySelector('#send').disabled")


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
