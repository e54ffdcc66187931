"""A server of the page, as a user starts it, and a browser."""

import http.client
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import numpy as np
import pytest

from ntkfill import inpaint
from ntkfill.io import images

BROWSER = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


class App:
    """`ntkfill app` in a process, and what it answers."""

    def __init__(self, folder, *files):
        self.errors = folder / "stderr.txt"
        self.temporary = folder / "temporary"
        self.temporary.mkdir(exist_ok=True)
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ntkfill", "app", "--no-browser", *map(str, files)],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=os.environ | {"TMPDIR": str(self.temporary)},
            )
        self.url = self.process.stdout.readline().strip()
        parts = urlsplit(self.url)
        self.port, self.path = parts.port, parts.path

    def send(self, method, path, body=None, headers=None):
        """The response to a request and its body; the path is that of the interface unless it
        begins with /."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            place = path if path.startswith("/") else f"{self.path}api/v1/{path}"
            connection.request(method, place, body, headers or {})
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()

    def call(self, method, path, body=None, **query):
        """JSON or bytes of a request that succeeds."""
        address = f"{path}?{urlencode(query)}" if query else path
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        response, answer = self.send(method, address, data)
        assert response.status < 300, answer
        return json.loads(answer) if "json" in response.headers["Content-Type"] else answer

    def refusal(self, method, path, body=None, headers=None):
        """The sentence of a request that is refused, and its status."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        response, answer = self.send(method, path, data, headers)
        assert 400 <= response.status < 500, (response.status, answer)
        return json.loads(answer)["error"], response.status

    def wait(self, document, ready=lambda state: not state["stage"]):
        """The state of a document once it is ready."""
        for _ in range(6000):
            state = self.call("GET", f"documents/{document}")
            if ready(state):
                return state
            time.sleep(0.02)
        raise AssertionError(state)

    def open(self, path):
        """Upload a file; its state once it is read."""
        data = Path(path).read_bytes()
        return self.wait(self.call("POST", "documents", data, name=Path(path).name)["id"])

    def held(self):
        """Folders and files of the server; glob fails where one is being deleted."""
        found = os.walk(self.temporary)
        return [os.path.join(at, name) for at, folders, files in found for name in folders + files]

    def close(self):
        self.process.terminate()
        self.process.communicate(timeout=20)
        assert "Traceback" not in self.errors.read_text()
        assert list(self.temporary.iterdir()) == []


@pytest.fixture(scope="session")
def start():
    """What starts a server: of a folder for its files, and of files to open."""
    pytest.importorskip("starlette")
    pytest.importorskip("uvicorn")
    return App


@pytest.fixture(scope="session")
def compiled():
    """What Numba compiles once, and keeps beside the module, so that no page waits for it."""
    missing = np.random.default_rng(0).random((128, 128)) < 0.3
    inpaint(np.sin(np.indices(missing.shape).sum(axis=0)), missing, refine="patches")


@pytest.fixture(autouse=True)
def compiled_before_slow_tests(request):
    if request.node.get_closest_marker("slow"):
        request.getfixturevalue("compiled")


@pytest.fixture(scope="module")
def app(start, tmp_path_factory):
    running = start(tmp_path_factory.mktemp("app"))
    yield running
    running.close()


@pytest.fixture(scope="session")
def scene(tmp_path_factory):
    """A folder with a small picture, and where it is missing."""
    folder = tmp_path_factory.mktemp("scene")
    rows, columns = np.indices((48, 64))
    image = np.uint8(120 + 60 * np.sin(rows / 6) * np.cos(columns / 7))
    picture = np.stack([image, 255 - image, image // 2], axis=-1)
    mask = np.zeros(image.shape, bool)
    mask[20:27, 30:44] = True
    images.write(folder / "picture.png", images.Stored(picture, -1))
    images.write(folder / "mask.png", images.Stored(255 * mask.astype(np.uint8), None))
    return folder, picture, mask


@pytest.fixture(scope="session")
def chromium():
    """Debian's Chromium, driven by Playwright."""
    playwright = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=list(BROWSER))
        yield browser
        browser.close()
