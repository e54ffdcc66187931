"""What the server answers, and whom."""

import json
import shlex
import socket
import time

import numpy as np
import pytest
import tifffile

import ntkfill
from ntkfill.app import images as pages
from ntkfill.app import screens, tables
from ntkfill.cli import main
from ntkfill.io import images, text_tables


def bits(mask):
    return np.packbits(mask).tobytes()


@pytest.fixture(scope="module")
def filled(app, scene):
    """A document that is filled, with error bars."""
    folder, _, mask = scene
    document = app.open(folder / "picture.png")["id"]
    app.call("PUT", f"documents/{document}/mask/0", bits(mask))
    state = app.call("POST", f"documents/{document}/fill", {"refine": None})
    assert state["stage"] == "filling"
    return document, app.wait(document)


@pytest.mark.slow
def test_a_fill_is_that_of_the_library(app, scene, filled, tmp_path):
    _, picture, mask = scene
    document, state = filled
    assert (state["error"], state["result"]["stage"]) == ("", "uncertain")
    assert state["result"]["missing"] == mask.sum()
    (tmp_path / "filled.png").write_bytes(app.call("GET", f"documents/{document}/files/filled"))
    expected = ntkfill.inpaint(picture, mask, channel_axis=-1)
    np.testing.assert_array_equal(images.read(tmp_path / "filled.png").array, expected)


@pytest.mark.slow
@pytest.mark.parametrize("refine", [None, "auto"])
def test_the_recipe_does_the_same(app, scene, tmp_path, monkeypatch, refine):
    """Of a picture that is better refined, with and without."""
    _, picture, mask = scene
    monkeypatch.chdir(tmp_path)
    deep = images.Stored(picture[..., 0] * np.uint16(200), None)
    images.write(tmp_path / "picture.png", deep)
    document = app.open(tmp_path / "picture.png")["id"]
    app.call("PUT", f"documents/{document}/mask/0", bits(mask))
    app.call("POST", f"documents/{document}/fill", {"refine": refine})
    state = app.wait(document)
    assert state["result"]["refined"] == (refine is not None)
    (tmp_path / "picture-mask.png").write_bytes(app.call("GET", f"documents/{document}/files/mask"))
    words = shlex.split(state["recipe"]["command"])
    assert main([*words[1:], "--quiet"]) == 0
    saved = app.call("GET", f"documents/{document}/files/filled")
    assert (tmp_path / "picture-filled.png").read_bytes() == saved
    (tmp_path / "page-std.npy").write_bytes(app.call("GET", f"documents/{document}/files/std"))
    np.testing.assert_array_equal(np.load("page-std.npy"), np.load("picture-std.npy"))
    names = {}
    exec(state["recipe"]["python"].replace("print", "kept = "), names)
    np.testing.assert_array_equal(
        names["kept"][0], images.read(tmp_path / "picture-filled.png").array
    )


@pytest.mark.slow
def test_a_pixel(app, scene, filled):
    _, picture, _ = scene
    document, _ = filled
    at = {"page": 0, "row": 22, "column": 35}
    found = app.call("GET", f"documents/{document}/pixel", **at)
    assert found["filled"]
    assert len(found["value"]) == len(found["std"]) == 3
    assert all(low <= value <= high for low, value, high in
               zip(found["lower"], found["value"], found["upper"], strict=True))  # fmt: skip
    known = app.call("GET", f"documents/{document}/pixel", page=0, row=3, column=5)
    assert known == {"value": picture[3, 5].tolist(), "filled": False}
    # The weights of the known pixels, as the library gives them.
    explained = app.call("POST", f"documents/{document}/explain", at)
    inpainter = ntkfill.Inpainter(channel_axis=-1)
    inpainter.fill(picture, scene[2])
    weights = inpainter.weights((22, 35))
    assert explained["sum"] == pytest.approx(1)
    best = np.unravel_index(np.argmax(np.abs(weights)), weights.shape)
    assert explained["largest"][0]["at"] == [0, *best]
    assert explained["largest"][0]["weight"] == pytest.approx(weights[best])
    assert "is known" in app.refusal("POST", f"documents/{document}/explain",
                                     at | {"row": 0})[0]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["image", "fill", "std", "outside"])
def test_tiles(app, filled, layer):
    document, _ = filled
    for level in (0, 2):
        response, body = app.send("GET", f"documents/{document}/tiles/{layer}/0/{level}/0/0")
        assert response.status == 200
        assert body[:2] in (b"BM", b"\x89P")
    assert app.refusal("GET", f"documents/{document}/tiles/{layer}/0/0/9/0")[1] == 400


@pytest.mark.slow
def test_masks(app, scene):
    folder, _, mask = scene
    document = app.open(folder / "picture.png")["id"]
    path = f"documents/{document}/mask/0"
    assert app.call("POST", f"documents/{document}/mask", (folder / "mask.png").read_bytes(),
                    name="mask.png") == {"missing": mask.sum(), "warnings": []}  # fmt: skip
    assert app.call("GET", path) == bits(mask)
    grown = np.unpackbits(np.frombuffer(app.call("POST", f"{path}/grow", {"pixels": 2}), np.uint8))
    assert grown.sum() == (7 + 4) * (14 + 4) - 4 * 3  # without three pixels of each corner
    shrunk = np.unpackbits(
        np.frombuffer(app.call("POST", f"{path}/grow", {"pixels": -2}), np.uint8)
    )
    assert shrunk.sum() == (7 - 4) * (14 - 4)
    like = app.call("POST", f"{path}/select", {"row": 0, "column": 0, "tolerance": 0.05})
    assert 0 < np.unpackbits(np.frombuffer(like, np.uint8)).sum() < mask.size / 2
    rows = np.zeros((3, 64), bool)
    rows[1, 5:9] = True
    app.call("PUT", path, bits(rows), row=30, rows=3)
    expected = mask.copy()
    expected[30:33] = rows
    assert app.call("GET", path) == bits(expected)
    for row, data in ((0, b"\x00"), (0, b""), (46, bits(rows)), (99, b""), (0, bytes(400))):
        text, _ = app.refusal("PUT", f"{path}?row={row}&rows=3", data)
        assert "another size" in text


def test_a_file_that_is_none(app, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG no picture")
    state = app.open(tmp_path / "broken.png")
    assert state["error"].startswith("broken.png cannot be read")
    assert str(app.temporary) not in state["error"]
    text, status = app.refusal("POST", f"documents/{state['id']}/fill", {})
    assert status == 400
    assert "cannot be read" in text
    assert app.refusal("POST", "documents?name=x.exe", b"MZ")[0].startswith("x.exe cannot be")


@pytest.mark.slow
def test_cancel_ends_the_process(app, scene):
    """A fill that is cancelled stops at once, keeps what is done, and the next one works."""
    folder, _, _ = scene
    document = app.open(folder / "picture.png")["id"]
    mask = np.random.default_rng(0).random((48, 64)) < 0.5
    app.call("PUT", f"documents/{document}/mask/0", bits(mask))
    app.call("POST", f"documents/{document}/fill", {"refine": "patches"})
    app.wait(document, lambda state: state["result"])
    assert app.call("DELETE", f"documents/{document}/work")["stage"] == ""
    assert app.wait(document)["result"]["stage"] in ("filled", "uncertain")
    app.call("POST", f"documents/{document}/fill", {"refine": None})
    assert app.wait(document)["result"]["stage"] == "uncertain"


@pytest.mark.slow
def test_close_while_something_is_done(app, scene, filled):
    """A document that is closed while it is filled, or saved, leaves no trace."""
    folder, _, mask = scene
    before = len(app.held())
    for k in range(6):
        document = app.open(folder / "picture.png")["id"]
        app.call("PUT", f"documents/{document}/mask/0", bits(mask))
        app.call("POST", f"documents/{document}/fill", {"refine": None})
        if k % 2:
            app.wait(document, lambda state: state["result"])
            app.call("GET", f"documents/{document}/files/filled")
        app.call("DELETE", f"documents/{document}")
    for _ in range(200):
        if len(app.held()) == before:
            break
        time.sleep(0.02)
    assert len(app.held()) == before
    assert "Traceback" not in app.errors.read_text()


@pytest.mark.slow
def test_volumes(app, tmp_path):
    volume = np.add.outer(np.arange(4.0), np.add.outer(np.arange(16.0), np.arange(16.0)))
    volume[2, 5:8, 6:9] = np.nan
    np.save(tmp_path / "volume.npy", volume)
    state = app.open(tmp_path / "volume.npy")
    assert (state["info"]["pages"], state["info"]["missing"]) == (4, 9)
    app.call("POST", f"documents/{state['id']}/fill", {"refine": None})
    app.wait(state["id"], lambda state: state["result"])
    found = app.call("GET", f"documents/{state['id']}/pixel", page=2, row=6, column=7)
    assert found["filled"]
    assert found["value"][0] == pytest.approx(15, abs=0.5)
    app.call("DELETE", f"documents/{state['id']}")  # its error bars are not waited for


@pytest.mark.slow
def test_scans(app, tmp_path):
    """A suffix of two parts is kept, in what is saved and in the recipe."""
    nibabel = pytest.importorskip("nibabel")
    scan = np.add.outer(np.arange(6.0), np.add.outer(np.arange(16.0), np.arange(16.0)))
    affine = np.diag([2.0, 2.0, 3.0, 1.0])
    nibabel.save(nibabel.Nifti1Image(scan.astype(np.float32), affine), tmp_path / "scan.nii.gz")
    state = app.open(tmp_path / "scan.nii.gz")
    assert (state["error"], state["info"]["suffix"]) == ("", ".nii.gz")
    path = f"documents/{state['id']}"
    mask = np.zeros((state["info"]["height"], state["info"]["width"]), bool)
    mask[5:8, 6:9] = True
    app.call("PUT", f"{path}/mask/2", bits(mask))
    app.call("POST", f"{path}/fill", {"refine": None})
    done = app.wait(state["id"], lambda state: state["result"])
    assert "-o scan-filled.nii.gz" in done["recipe"]["command"]
    (tmp_path / "filled.nii.gz").write_bytes(app.call("GET", f"{path}/files/filled"))
    filled = nibabel.load(tmp_path / "filled.nii.gz")
    np.testing.assert_array_equal(filled.affine, affine)
    np.testing.assert_allclose(filled.get_fdata(), scan, atol=0.5)
    app.call("DELETE", path)


# --- whom it answers ---


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://example.org"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Host": "example.org"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
    ],
)
def test_other_pages_are_refused(app, headers):
    """Even such as know the secret."""
    for method, path in (("POST", "examples/image"), ("GET", "session")):
        assert app.refusal(method, path, headers=headers)[1] == 403
    assert app.call("GET", "session")["documents"] is not None


def test_the_secret_is_needed(app):
    other = "y" if app.path[1] == "x" else "x"
    wrong = f"/{other}{app.path[2:]}api/v1/session"
    for path in ("/", "/api/v1/session", wrong, "/open/", "//", "/%00"):
        assert app.refusal("GET", path)[1] == 403


@pytest.mark.parametrize(
    "path",
    [
        "static/../server.py",
        "static/%2e%2e/server.py",
        "static/..%2f..%2f..%2f..%2fetc/passwd",
        "static//etc/passwd",
        "api/v1/documents/..%2f..%2f/files/filled",
        "api/v1/documents/%2e%2e/tiles/image/0/0/0/0",
    ],
)
def test_paths_lead_nowhere_else(app, path):
    response, body = app.send("GET", f"{app.path}{path}")
    assert response.status in (400, 403, 404)
    assert b"root:" not in body
    assert b"import" not in body


@pytest.mark.slow
def test_names_of_files_are_no_paths(app, scene, filled):
    """Whatever an upload is called, it is written into its own folder."""
    folder, _, _ = scene
    data = (folder / "picture.png").read_bytes()
    for name in ("../../evil.png", "/tmp/evil.png", "a\\..\\evil.png", "x/../../../evil.png"):
        state = app.call("POST", "documents", data, name=name)
        assert "/" not in state["name"]
        app.wait(state["id"])
        assert not [path for path in app.held() if "evil" in path]
        app.call("DELETE", f"documents/{state['id']}")
    document, _ = filled
    for layer in ("..%2farray", "mask", "next-mask", "lower"):
        assert app.refusal("GET", f"documents/{document}/tiles/{layer}/0/0/0/0")[1] in (400, 404)
    assert app.refusal("GET", f"documents/{document}/files/filled?suffix=/../x.png")[1] == 400


def test_headers(app):
    response, _ = app.send("GET", app.path)
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["Cache-Control"] == "no-store"


def test_uploads_are_bounded(app):
    """By what is declared, before anything is read."""
    headers = {"Content-Length": str(10**15)}
    text, status = app.refusal("POST", "documents?name=huge.png", headers=headers)
    assert status == 413
    assert "larger than" in text


@pytest.mark.slow
def test_a_thousand_malformed_requests(app, filled):
    """Each is refused or ignored, none leaves a trace, and the server goes on."""
    document, _ = filled
    rng = np.random.default_rng(0)
    before = app.call("GET", "session")
    methods = ("GET", "POST", "PUT", "DELETE", "PATCH", "BREW")
    paths = (
        "session", "documents", f"documents/{document}/fill", f"documents/{document}/mask/0",
        f"documents/{document}/mask/0/grow", f"documents/{document}/tiles/image/0/0/0/0",
        f"documents/{document}/pixel", f"documents/{document}/explain", "examples/x",
    )  # fmt: skip
    bodies = (
        b"", b"{", b"[]", b"null", b'{"refine": 1}', b'{"bounds": [1e999, "a"]}', b"\xff\xfe",
        b'{"row": NaN}', b"[" * 5000, b'{"pixels": 1e400}', b'{"interval": 7}', b'{"x": {}}',
    )  # fmt: skip
    queries = ("", "?page=-1", "?page=1e9&row=a", "?name=%00.png", "?row=9" + "9" * 400, "?a=%ff")
    for _ in range(900):
        method, path, body, query = (
            part[rng.integers(len(part))] for part in (methods, paths, bodies, queries)
        )
        if rng.random() < 0.3:
            path = path.replace("0", rng.choice(["-1", "0.5", "99999999999999999999", "%00", "a"]))
        if (method, path) == ("POST", f"documents/{document}/fill") and body in (b"", bodies[3]):
            continue  # that one is well formed
        response, answer = app.send(method, path + query, body)
        assert response.status < 500, (method, path, query, body, answer)
    for _ in range(100):
        with socket.create_connection(("127.0.0.1", app.port)) as connection:
            connection.sendall(rng.bytes(int(rng.integers(1, 300))) + b"\r\n\r\n")
    assert len(app.call("GET", "session")["documents"]) == len(before["documents"])
    assert "Traceback" not in app.errors.read_text()


def test_the_interface_describes_itself(app):
    description = app.call("GET", "openapi.json")
    assert description["openapi"].startswith("3.1")
    operations = [one for path in description["paths"].values() for one in path.values()]
    names = [one["operationId"] for one in operations]
    assert len(set(names)) == len(names) > 15
    assert all(one["summary"].endswith(".") for one in operations)
    json.dumps(description)


def test_events(app, scene):
    """A stream tells of every change, with the state of each document."""
    folder, _, _ = scene
    with socket.create_connection(("127.0.0.1", app.port), timeout=20) as connection:
        head = f"GET {app.path}api/v1/events HTTP/1.1\r\nHost: 127.0.0.1:{app.port}\r\n\r\n"
        connection.sendall(head.encode())
        document = app.open(folder / "picture.png")["id"]
        heard = b""
        while document.encode() not in heard or b'"stage": ""' not in heard:
            heard += connection.recv(65536)
    app.call("DELETE", f"documents/{document}")


def refuse_constant(name):
    raise AssertionError(f"{name} is no JSON")


@pytest.mark.parametrize("mark", ["nan", "inf"])
def test_answers_hold_no_number_that_json_has_not(app, tmp_path, mark):
    """A mark of missing pixels may be such a number; all routes tell of it."""
    path, array = tmp_path / "map.tif", np.ones((8, 9), np.float32)
    array[2, 3] = np.float32(mark)
    tifffile.imwrite(path, array, extratags=[(42113, 2, 0, mark, True)])
    state = app.open(path)
    assert (state["info"]["missing_values"], state["info"]["missing"]) == ([None], 1)
    for route in ("session", f"documents/{state['id']}"):
        answer = app.send("GET", route)[1]
        assert state["id"] in json.dumps(json.loads(answer, parse_constant=refuse_constant))
    with socket.create_connection(("127.0.0.1", app.port), timeout=20) as connection:
        head = f"GET {app.path}api/v1/events HTTP/1.1\r\nHost: 127.0.0.1:{app.port}\r\n\r\n"
        connection.sendall(head.encode())
        heard = b""
        while state["id"].encode() not in heard or not heard.endswith(b"\n\n\r\n"):
            heard += connection.recv(65536)
    told = next(line for line in heard.decode().splitlines() if state["id"] in line)
    json.loads(told.removeprefix("data: "), parse_constant=refuse_constant)
    app.call("DELETE", f"documents/{state['id']}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "axes"), [("a.tif", "CYX"), ("a.ome.tif", "CYX"), ("a.ome.tif", "ZCYX")]
)
def test_channels_may_come_first(tmp_path, name, axes):
    """Opened, filled, and shown; what workers do, called directly."""
    rows, columns = np.indices((24, 20))
    wave = np.float32(np.sin(rows / 4) + np.cos(columns / 5))
    array = np.stack([wave, 1 - wave])
    array = np.stack([array] * 3) if axes == "ZCYX" else array
    path = tmp_path / name
    kind = {"ome": True} if ".ome" in name else {"imagej": True}
    tifffile.imwrite(path, array, metadata={"axes": axes}, photometric="minisblack", **kind)
    report = [].append
    info = pages.open_image(tmp_path, path, report)
    expected = (axes.index("C"), 2, 3 if "Z" in axes else 1, 24, 20)
    names = ("channel_axis", "channels", "pages", "height", "width")
    assert tuple(info[each] for each in names) == expected
    assert info["window"] == pytest.approx(np.quantile(array, [0.001, 0.999]).tolist())
    mask = np.zeros((info["pages"], 24, 20), bool)
    mask[0, 8:12, 7:10] = True
    np.save(tmp_path / "next-mask.npy", mask)
    options = {"network": "auto", "refine": None, "bounds": None, "interval": 0.9, "version": "1"}
    pages.fill(tmp_path, info, options, "filled", report)
    found = pages.pixel(tmp_path, info, True, (0, 9, 8))
    truth = array[..., :, 9, 8].reshape(-1, 2)[0]
    np.testing.assert_allclose(found["value"], truth, atol=0.2)
    assert pages.tile(tmp_path, info, "fill", 0, 0, 0, 0)[0][:2] == b"BM"


def test_a_recipe_is_python_where_a_mark_is_not_finite():
    info = {"suffix": ".tif", "pages": 1, "channel_axis": None, "alpha": False,
            "missing_values": [float("nan"), -1.0]}  # fmt: skip
    options = {"network": "auto", "refine": None, "bounds": None, "interval": 0.9}
    python = pages.recipe("map.tif", info, options)["python"]
    assert 'missing_values=[float("nan"), -1.0]' in python


# --- tables and screens ---


@pytest.fixture(scope="module")
def gaps(tmp_path_factory):
    """A small table with gaps, a code for missing entries, and text."""
    rng = np.random.default_rng(0)
    one = rng.normal(size=40)
    table = np.stack([one, 2 * one + 1, rng.normal(size=40)], axis=-1)
    lines = ["name,a,b,c"]
    for k, row in enumerate(table):
        cells = [f"{value:.17g}" for value in row]
        cells[1] = "" if k % 7 == 3 else cells[1]
        cells[2] = {5: "-999", 8: "?"}.get(k, cells[2])
        lines.append(",".join([f"t{k}", *cells]))
    path = tmp_path_factory.mktemp("table") / "table.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.slow
def test_a_table(app, gaps, tmp_path, monkeypatch):
    state = app.open(gaps)
    assert state["kind"] == "table"
    path = f"documents/{state['id']}"
    types = [(one["type"], one["missing"], one["code"]) for one in state["info"]["columns"]]
    assert types == [("text", 0, None), ("number", 0, None), ("number", 6, None),
                     ("number", 1, "-999")]  # fmt: skip
    assert state["info"]["marks"] == ["?"]
    assert "'?' stands among numbers" in state["info"]["warnings"][0]
    app.call("PUT", f"{path}/marks", {"marks": []})
    assert "not a finite number" in app.wait(state["id"])["error"]
    app.call("PUT", f"{path}/marks", {"marks": ["?", "-999"]})
    assert app.wait(state["id"])["info"]["missing"] == 8
    app.call("POST", f"{path}/impute", {})
    done = app.wait(state["id"])
    assert (done["error"], done["result"]["stage"]) == ("", "uncertain")
    assert done["result"]["filled"] == 8
    rows = app.call("GET", f"{path}/rows", start=3, count=3)
    assert [(gap["row"], gap["column"]) for gap in rows["gaps"]] == [(3, 1), (5, 2)]
    first = rows["gaps"][0]
    assert first["lower"] <= first["value"] <= first["upper"]
    assert first["value"] == pytest.approx(2 * float(rows["cells"][0][1]) + 1, abs=0.5)
    largest = app.call("POST", f"{path}/cell", {"row": 3, "column": 1})["largest"]
    assert len(largest) == 5
    assert all(one["first"] == f"t{one['row']}" for one in largest)
    assert app.refusal("POST", f"{path}/cell", {"row": 0, "column": 0})[1] == 400
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.csv").write_bytes(gaps.read_bytes())
    assert main([*shlex.split(done["recipe"]["command"])[1:], "--quiet"]) == 0
    for what in ("filled", "std"):
        saved = app.call("GET", f"{path}/files/{what}").decode().splitlines()
        written = (tmp_path / f"table-{what}.csv").read_text().splitlines()
        assert written == saved
    made = {}
    exec(done["recipe"]["python"], made)  # what the page offers to copy
    read = [float(line.split(",")[1]) for line in gaps.read_text().splitlines()[1:]]
    assert made["table"]["a"].tolist() == read  # to the last digit
    (number,) = (one["number"] for one in done["info"]["columns"] if one["name"] == "b")
    assert rows["gaps"][0]["value"] == np.asarray(made["done"].values)[3, number]
    # Nine digits are written.
    saved = np.loadtxt(tmp_path / "table-filled.csv", str, delimiter=",", skiprows=1)[:, 1:]
    np.testing.assert_allclose(np.asarray(made["done"].values), saved.astype(float), rtol=1e-8)
    app.call("POST", f"{path}/score", {})
    errors = app.wait(state["id"])["explained"]["score"]["errors"]
    assert errors["ntkfill"] < errors["column mean"]


@pytest.mark.slow
def test_a_screen(app):
    state = app.wait(app.call("POST", "examples/screen")["id"])
    path = f"documents/{state['id']}"
    availability = app.call("GET", f"{path}/availability")
    measured = sum(line.count("1") for line in availability["measured"])
    assert measured == state["info"]["measured"]
    app.call("POST", f"{path}/complete", {})
    completion = app.wait(state["id"])["result"]["completion"]
    assert completion["predicted"] == state["info"]["pairs"] - measured
    assert app.call("GET", f"{path}/files/completed").startswith(b"cell,drug,source")
    app.call("POST", f"{path}/rank")
    ranking = app.wait(state["id"])["result"]["ranking"]
    made = ntkfill.screens.simulate()
    assert {drug["drug"] for drug in ranking["drugs"][: len(made.cures)]} == set(made.cures)


@pytest.mark.slow
def test_a_screen_is_evaluated(app):
    pytest.importorskip("jinja2")
    state = app.wait(app.call("POST", "examples/screen")["id"])
    path = f"documents/{state['id']}"
    app.call("POST", f"{path}/evaluate", {})
    scores = app.wait(state["id"])["result"]["evaluation"]["scores"]
    assert scores["NTK"]["r"] > scores["cell mean"]["r"]
    response, body = app.send("GET", f"{path}/report")
    assert b"<svg" in body
    assert "sandbox" in response.headers["Content-Security-Policy"]


@pytest.mark.slow
def test_files_of_a_killed_server_are_deleted_at_the_next_start(start, tmp_path_factory, scene):
    folder = tmp_path_factory.mktemp("app")  # sockets have short paths
    killed = start(folder)
    killed.open(scene[0] / "picture.png")
    (left,) = killed.temporary.glob("ntkfill-app-*")
    living = start(folder)
    assert left.is_dir()  # of a server that runs
    killed.process.kill()
    killed.process.communicate()
    assert any(left.iterdir())
    again = start(folder)
    assert not left.exists()
    for server in (again, living):
        server.send("GET", "/")  # it is up, and ends as it should
        server.process.terminate()
        server.process.communicate(timeout=60)
    assert not list(again.temporary.glob("ntkfill-app-*"))


@pytest.mark.slow
def test_a_long_path_for_temporary_files_is_refused(start, tmp_path):
    folder = tmp_path / ("long" * 20)
    folder.mkdir()
    refused = start(folder)
    assert refused.process.wait(timeout=60) == 1
    assert "TMPDIR=/tmp ntkfill app" in refused.errors.read_text()
    assert "Traceback" not in refused.errors.read_text()
    refused.process.communicate()


def test_a_column_without_entries_stays_empty_and_is_said_once(tmp_path):
    values = np.random.default_rng(0).normal(size=(20, 3))
    values[:, 1] = values[4, 0] = np.nan
    np.save(tmp_path / "numbers.npy", values)
    with pytest.warns(UserWarning, match="without any known entry stay empty: 1") as said:
        found = tables.fill(tmp_path, {"version": "1", "interval": 0.9}, "filled", print)
    assert len(said) == 1
    assert found["filled"] == 1
    assert np.isnan(np.load(tmp_path / "values.npy")[:, 1]).all()


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".xlsx"])
def test_screens_are_recognised(tmp_path, suffix):
    pytest.importorskip({".parquet": "pyarrow", ".xlsx": "openpyxl"}.get(suffix, "numpy"))
    for names, expected in ((["Cell_Line", "compound", "g"], True), (["cell", "g", "h"], False)):
        path = tmp_path / f"one{suffix}"
        text_tables.write(path, text_tables.Table(names, [["a", "b", 1.5], ["c", "d", 2.5]]))
        assert screens.is_screen(path, print) == {"screen": expected}


@pytest.mark.slow
def test_a_screen_of_two_drugs(app, tmp_path, monkeypatch):
    """It is evaluated in two parts, by the recipe too; a bad signature has the name of its file."""
    monkeypatch.chdir(tmp_path)
    rows = ["a,x,1,2", "a,y,2,1", "b,x,0.5,1", "b,y,1,0"]
    (tmp_path / "two.csv").write_text("\n".join(["cell,drug,g1,g2", *rows]) + "\n")
    state = app.open(tmp_path / "two.csv")
    path = f"documents/{state['id']}"
    app.call("POST", f"{path}/evaluate", {})
    done = app.wait(state["id"])
    assert (done["error"], done["result"]["evaluation"]["folds"]) == ("", 2)
    assert main([*shlex.split(done["recipe"]["command"].splitlines()[0])[1:], "--quiet"]) == 0
    app.call("POST", f"{path}/rank", b"gene;change\n", name="mine.csv")
    assert app.wait(state["id"])["error"].startswith("mine.csv")
