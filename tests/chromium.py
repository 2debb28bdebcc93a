"""A headless Chromium, driven over its DevTools protocol: what the tests of the site need, no more."""

from __future__ import annotations

import contextlib
import http.server
import json
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--remote-debugging-port=0",
)  # fmt: skip


def find() -> str | None:
    """A Chromium on this machine."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a folder on loopback; yields its address, with a slash at the end."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


class Page:
    """One tab; `requests`, `failures` and `errors` are those since the last `open`."""

    def __init__(self, socket: Any, session: str) -> None:
        self.socket, self.session, self.number = socket, session, 0
        self.loaded = False
        self.requests: list[str] = []
        self.failures: list[str] = []
        self.errors: list[str] = []
        self.bytes = 0
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result; events that arrive meanwhile are noted."""
        self.number += 1
        number = self.number
        message = {"id": number, "method": method, "params": parameters, "sessionId": self.session}
        self.socket.send(json.dumps(message))
        while True:
            answer = json.loads(self.socket.recv())
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self._note(answer.get("method"), answer.get("params", {}))

    def _note(self, method: str | None, about: dict[str, Any]) -> None:
        if method == "Page.loadEventFired":
            self.loaded = True
        elif method == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])
        elif method == "Network.responseReceived" and about["response"]["status"] >= 400:
            self.failures.append(f"{about['response']['status']} {about['response']['url']}")
        elif method == "Network.loadingFailed" and not about.get("canceled"):
            self.failures.append(f"{about['errorText']} {about.get('type')}")
        elif method == "Network.loadingFinished":
            self.bytes += int(about["encodedDataLength"])
        elif method == "Runtime.exceptionThrown":
            details = about["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Runtime.consoleAPICalled" and about["type"] in ("error", "assert"):
            self.errors.append(" ".join(str(a.get("value", a.get("description"))) for a in about["args"]))
        elif method == "Log.entryAdded" and about["entry"]["level"] == "error":
            self.errors.append(f"{about['entry']['text']} {about['entry'].get('url', '')}")

    def open(self, url: str, timeout: float = 60) -> None:
        """Load a page and wait until it and its formulas are there."""
        self.loaded, self.bytes = False, 0
        self.requests, self.failures, self.errors = [], [], []
        answer = self.call("Page.navigate", url=url)
        if answer.get("errorText"):
            raise RuntimeError(f"{url}: {answer['errorText']}")
        end = time.monotonic() + timeout
        while not self.loaded:
            if time.monotonic() > end:
                raise TimeoutError(f"{url} was not loaded after {timeout:g} s")
            self.run("new Promise(done => setTimeout(done, 20))")
        self.run("(async () => { if (window.MathJax?.startup?.promise) await MathJax.startup.promise; })()")
        self.run("new Promise(done => setTimeout(done, 50))")

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression; promises are waited for."""
        try:
            answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        except RuntimeError as error:  # the page went away beneath the script
            if "context" in str(error) or "navigated" in str(error):
                return None
            raise
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise RuntimeError(details.get("exception", {}).get("description") or details["text"])
        return answer["result"].get("value")

    def until(self, script: str, timeout: float = 20) -> Any:
        """Wait until an expression is true; returns its value."""
        end = time.monotonic() + timeout
        while not (value := self.run(script)):
            if time.monotonic() > end:
                raise TimeoutError(f"never true: {script}")
            time.sleep(0.1)
        return value

    def resize(self, width: int, height: int, phone: bool = False) -> None:
        """Set the size of the window in CSS pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=2 if phone else 1, mobile=phone,
        )  # fmt: skip


@contextlib.contextmanager
def browse(program: str) -> Iterator[Page]:
    """Start Chromium with a profile of its own and open a tab; both are gone afterwards."""
    import websocket

    # the browser may still write into its profile while it is being removed
    with tempfile.TemporaryDirectory(prefix="gcaf-chromium-", ignore_cleanup_errors=True) as profile:
        command = [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            port, path = _port(Path(profile) / "DevToolsActivePort", process)
            socket = websocket.create_connection(
                f"ws://127.0.0.1:{port}{path}", timeout=120, suppress_origin=True, http_no_proxy="127.0.0.1"
            )
            with contextlib.closing(socket):
                yield Page(socket, _attach(socket))
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()


def _port(file: Path, process: subprocess.Popen, timeout: float = 60) -> list[str]:
    end = time.monotonic() + timeout
    while time.monotonic() < end and process.poll() is None:
        lines = file.read_text().split() if file.is_file() else []
        if len(lines) == 2:
            return lines
        time.sleep(0.05)
    raise RuntimeError(f"Chromium did not start (exit status {process.poll()})")


def _attach(socket: Any) -> str:
    """A new tab's session."""
    answers: dict[int, dict[str, Any]] = {}

    def ask(number: int, method: str, **parameters: Any) -> dict[str, Any]:
        socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while number not in answers:
            answer = json.loads(socket.recv())
            answers[answer.get("id", 0)] = answer
        return answers[number]["result"]

    target = ask(-1, "Target.createTarget", url="about:blank")["targetId"]
    return ask(-2, "Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
