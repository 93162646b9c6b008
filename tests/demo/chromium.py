"""Drives a headless Chromium by its DevTools protocol."""

import base64
import itertools
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

PATIENCE = 60.0
"""Seconds until what a test waits for must have come about."""

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage",
    "--force-device-scale-factor=1", "--remote-debugging-port=0", "--remote-allow-origins=*",
    # Whatever the page would ask of others does not arrive.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip

SOFTWARE_WEBGPU = ("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader")
"""Flags for WebGPU without a graphics processor."""

KEYS = {"Tab": 9, "Enter": 13, "Space": 32, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowRight": 39}


LEFT = ("Inspected target navigated or closed", "Execution context was destroyed.")
"""What it answers where a page is left while it is asked."""


class PageLeftError(Exception):
    """The page was left before it answered."""


def find() -> str | None:
    """The browser's program, where there is one."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Chromium:
    """A browser with one page.

    Args:
        folder: where downloads arrive.
        width: of the page, pixels.
        height: of the page, pixels.
        dark: whether it prefers dark pages.
        flags: of its command line, beside FLAGS; with any, it may use a graphics processor.
    """

    def __init__(
        self, folder: Path, width: int = 1000, height: int = 800, dark: bool = False, flags: Sequence[str] = ()
    ) -> None:
        import websocket

        self._home = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        own = [flag for flag in FLAGS if not (flags and flag == "--disable-gpu")]
        line = [find(), *own, *flags, f"--user-data-dir={self._home.name}", "about:blank"]
        self._process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._numbers, self._events = itertools.count(1), []
        said = Path(self._home.name) / "DevToolsActivePort"
        until(lambda: said.exists() and said.read_text().count("\n"))
        port = said.read_text().split()[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list") as answer:
            [page] = [target for target in json.load(answer) if target["type"] == "page"]
        self._socket = websocket.create_connection(page["webSocketDebuggerUrl"], timeout=PATIENCE)
        for domain in ("Page", "Runtime", "Log"):
            self.send(f"{domain}.enable")
        self.send("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
        self.look(width, height, dark)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._process.terminate()
        self._process.wait()
        self._home.cleanup()

    def send(self, method: str, **parameters: Any) -> dict:
        """Calls a method of the protocol."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (message := json.loads(self._socket.recv())).get("id") != number:
            self._events.append(message)
        if message.get("error", {}).get("message") in LEFT:
            raise PageLeftError(method)
        assert "error" not in message, message
        return message["result"]

    def event(self, method: str) -> dict:
        """The next event of a kind, of those that have not been asked for."""
        while True:
            for i, message in enumerate(self._events):
                if message["method"] == method:
                    return self._events.pop(i)["params"]
            self._events.append(json.loads(self._socket.recv()))

    def complaints(self) -> list[str]:
        """What the console has to say of errors, and of what the page's policy forbade."""
        self.run("0")  # whatever came before has arrived
        entries = [event["params"]["entry"] for event in self._events if event["method"] == "Log.entryAdded"]
        thrown = [event["params"] for event in self._events if event["method"] == "Runtime.exceptionThrown"]
        return [str(entry["text"]) for entry in entries if entry["level"] == "error"] + [str(each) for each in thrown]

    def look(self, width: int, height: int, dark: bool) -> None:
        """The size of the page, and what its reader prefers."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, url: str) -> None:
        self._events = [event for event in self._events if event["method"] != "Page.loadEventFired"]
        self.send("Page.navigate", url=url)
        self.event("Page.loadEventFired")

    def run(self, script: str) -> Any:
        """The value of an expression."""
        result = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def until(self, script: str) -> None:
        """Waits until an expression holds, on this page or on one that it leads to."""

        def holds() -> bool:
            try:
                return self.run(script)
            except PageLeftError:
                return False

        until(holds)

    def press(self, *keys: str) -> None:
        """Keys, one after the other, as a keyboard sends them."""
        for key in keys:
            text = {"Enter": "\r", "Space": " "}.get(key, "")
            given = {"key": " " if key == "Space" else key, "code": key, "windowsVirtualKeyCode": KEYS[key]}
            self.send("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **given)
            self.send("Input.dispatchKeyEvent", type="keyUp", **given)

    def choose(self, *paths: Path, selector: str = "input[type=file]") -> None:
        """Puts files into an input."""
        root = self.send("DOM.getDocument")["root"]["nodeId"]
        node = self.send("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.send("DOM.setFileInputFiles", files=[str(path) for path in paths], nodeId=node)

    def picture(self, path: Path) -> None:
        """A PNG of the whole page."""
        shot = self.send("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))


def until(holds) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
