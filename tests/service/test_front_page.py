"""The page at `/`: useful without a network, and without a word to another host."""

import asyncio
import base64
import hashlib
import re

from cu_pipeline.service.front_page import FrontPage, page, policy


def test_the_front_page_loads_nothing_from_another_host(client, foreign_loads):
    answer = client.get("/")
    assert answer.status_code == 200
    assert foreign_loads(answer.text) == []
    assert "googletagmanager" not in answer.text


def test_browsers_are_told_to_ask_no_other_host(client):
    told = client.get("/").headers["content-security-policy"]
    assert "default-src 'none'" in told
    assert not re.search(r"https?:|\*|unsafe-eval|wss?:", told)
    (script,) = re.findall(r"<script>(.*?)</script>", page().decode(), re.DOTALL)
    assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in told
    assert "script-src 'self' 'sha256-" in told


def test_all_that_the_front_page_needs_is_served_here(client):
    text = client.get("/").text
    needed = re.findall(r'(?:src|href)="([^":]+)"|url: "([^"]+)"', text)
    assert {"docs.json", "static_content/swagger-ui-bundle.js", "static_content/swagger-ui.css"} <= set(sum(needed, ()))
    for address in set(sum(needed, ())) - {"", "metrics"}:  # the numbers need the server's own start
        assert client.get(f"/{address}").status_code == 200, address


def test_the_page_shows_how_to_ask_without_any_script(client):
    text = re.sub(r"<script.*?</script>", "", client.get("/").text, flags=re.DOTALL)
    assert "curl -F video=@clip.mp4 -F caption=" in text
    assert "/classify" in text
    assert 'href="docs.json"' in text


def test_the_validator_that_swagger_asks_on_the_internet_is_off(client):
    assert "validatorUrl: null" in client.get("/").text


def test_no_page_that_is_served_loads_from_another_host(client, foreign_loads):
    for address in ("/", "/docs.json", "/schema.json", "/livez", "/readyz", "/nothing/here"):
        assert foreign_loads(client.get(address).text) == [], address


def test_other_addresses_and_methods_are_the_applications():
    seen = []

    async def application(scope, receive, send):
        seen.append((scope["method"], scope["path"]))

    async def send(message):
        sent.append(message)

    sent = []
    scope = {"type": "http", "method": "GET", "path": "/"}
    for changes in ({"method": "POST"}, {"path": "/models"}, {"path": "/prefix/models", "root_path": "/prefix"}):
        asyncio.run(FrontPage(application)(scope | changes, None, send))
    assert seen == [("POST", "/"), ("GET", "/models"), ("GET", "/prefix/models")]
    assert sent == []
    for changes in ({}, {"method": "HEAD"}, {"path": "/prefix/", "root_path": "/prefix"}):
        asyncio.run(FrontPage(application)(scope | changes, None, send))
    assert [len(message["body"]) > 0 for message in sent[1::2]] == [True, False, True]
    assert policy().encode() in dict(sent[0]["headers"]).values()


def test_the_reader_of_pages_notices_what_loads(foreign_loads):
    for loads in (
        "<script src='https://x.example/a.js'></script>",
        "<link rel=stylesheet href='//x.example/a.css'>",
        "<link rel=preconnect href='https://x.example'>",
        "<img src='HTTP://x.example/a.png'>",
        "<img srcset='a.png 1x, https://x.example/b.png 2x'>",
        "<style>@import 'https://x.example/a.css';</style>",
        "<style>a { background: url(https://x.example/a.png) }</style>",
        "<p style=\"background: url('//x.example/a.png')\">",
        "<script>fetch('https://x.example')</script>",
        "<script>j.src=\n'https://x.example/'+id;</script>",
        "<script>import('https://x.example/a.mjs')</script>",
        "<iframe src='https://x.example'></iframe>",
        "<form action='https://x.example'></form>",
        "<meta http-equiv='refresh' content='0; url=https://x.example'>",
    ):
        assert foreign_loads(loads), loads
    assert foreign_loads("<a href='https://x.example'>more</a> <img src='data:image/png;base64,AA'>") == []
