"""A headless Chromium that tests drive by the DevTools protocol."""

import base64
import json
import shutil
import subprocess
import tempfile
import time
from collections import deque
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WAIT_S = 20
START_S = 120
"""Seconds until a browser that was just installed must have started, on a machine that works on other things."""


class Browser:
    """One tab.

    Args:
        socket: of the tab.
    """

    def __init__(self, socket):
        self._socket = socket
        self._number = 0
        self.events = deque()
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.command(f"{domain}.enable")

    def command(self, method, **parameters):
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=WAIT_S))
            if message.get("id") == self._number:
                assert "error" not in message, message["error"]
                return message["result"]
            self.events.append(message)

    def run(self, script):
        """The value of a JavaScript expression; a promise is awaited."""
        told = self.command("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def wait(self, script):
        """Wait until a JavaScript expression is true."""
        end = time.monotonic() + WAIT_S
        while not self.run(f"Boolean({script})"):
            assert time.monotonic() < end, f"never true: {script}; the page says: {self.run('document.body.innerText')}"
            time.sleep(0.05)

    def open(self, url, width=1280, height=900, scheme="light"):
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.command("Emulation.setEmulatedMedia", features=features)
        self.events.clear()
        self.command("Page.navigate", url=url)
        self.wait("document.readyState === 'complete'")

    def press(self, key, text=""):
        codes = {"Tab": 9, "Enter": 13, " ": 32}
        shared = {"key": key, "windowsVirtualKeyCode": codes.get(key, 0)}
        text = text or {"Enter": "\r", " ": " "}.get(key, "")
        self.command("Input.dispatchKeyEvent", type="keyDown", text=text, **shared)
        self.command("Input.dispatchKeyEvent", type="keyUp", **shared)

    def write(self, text):
        self.command("Input.insertText", text=text)

    def choose_file(self, selector, path):
        root = self.command("DOM.getDocument")["root"]["nodeId"]
        node = self.command("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.command("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def text(self, selector):
        return self.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")

    def click(self, selector):
        self.run(f"document.querySelector({json.dumps(selector)}).click()")

    def requested(self):
        """Addresses that were asked for since the page was opened."""
        self.run("0")
        return [one["params"]["request"]["url"] for one in self.events if one["method"] == "Network.requestWillBeSent"]

    def complaints(self):
        """What the console says of errors, such as of the policy of the page."""
        self.run("0")
        told = [one["params"]["entry"] for one in self.events if one["method"] == "Log.entryAdded"]
        return [one["text"] for one in told if one["level"] == "error" and one["source"] != "network"]

    def screenshot(self, path):
        height = self.run("Math.ceil(document.documentElement.scrollHeight)")
        width = self.run("document.documentElement.clientWidth")
        clip = {"x": 0, "y": 0, "width": width, "height": min(height, 4000), "scale": 1}
        told = self.command("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        Path(path).write_bytes(base64.b64decode(told["data"]))


@contextmanager
def browser():
    """Start Chromium with a profile of its own, and give its tab."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        profile, told = Path(folder) / "profile", Path(folder) / "told.txt"
        command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
        command += ["--no-first-run", "--disable-background-networking", "--disable-dev-shm-usage"]
        command += [f"--user-data-dir={profile}", "about:blank"]
        with told.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            with connect(_tab(process, profile, told), max_size=None, open_timeout=WAIT_S) as socket:
                yield Browser(socket)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _tab(process, profile, told):
    """The address of the tab; skips where Chromium is installed and this machine cannot run it."""
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            port = (profile / "DevToolsActivePort").read_text().split()[0]
            tabs = httpx.get(f"http://127.0.0.1:{port}/json", trust_env=False, timeout=WAIT_S).json()
            return next(one["webSocketDebuggerUrl"] for one in tabs if one["type"] == "page")
        except (OSError, IndexError, StopIteration, httpx.HTTPError):
            time.sleep(0.1)
    state = f"did not start in {START_S} seconds" if process.poll() is None else f"ended with {process.returncode}"
    pytest.skip(f"Chromium {state} on this machine: {' / '.join(told.read_text(errors='replace').split(chr(10))[-6:])}")
