"""The page in a real browser: what people do with it, and whether everybody can."""

import io
import json
from importlib import resources

import numpy as np
import pytest
from PIL import Image

from ntkfill.io import images

pytestmark = pytest.mark.slow

FILLED = "[data-part=done]:not([hidden])"
NARROW = {"width": 360, "height": 740}
WIDE = {"width": 3840, "height": 2160}
# Screen readers are given names, texts have contrast, and so on: WCAG 2.2, A and AA.
AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.fixture
def page(app, chromium):
    """A page in a profile of its own; its faults fail the test."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(30_000)
    faults = []

    def watch(opened):
        opened.on("pageerror", lambda error: faults.append(str(error)))
        opened.on(
            "console", lambda said: faults.append(said.text) if said.type == "error" else None
        )

    context.on("page", watch)
    opened = context.new_page()
    opened.goto(app.url)
    opened.wait_for_selector(".welcome, .editor, .sheet, .screen")
    yield opened
    context.close()
    for state in app.call("GET", "session")["documents"]:
        app.call("DELETE", f"documents/{state['id']}")
    assert [text for text in faults if "Failed to load resource" not in text] == []


def open_file(page, path):
    page.goto(page.url.partition("#")[0] + "#/")
    page.set_input_files("[data-part=file]", path)
    page.wait_for_selector(".editor")
    wait_for_mask(page)


def until(page, condition):
    """Wait; the page itself may not evaluate text."""
    for _ in range(600):
        if condition():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it did not happen")


def wait_for_mask(page):
    until(page, lambda: page.locator("[data-part=count]").text_content() != "")


def document(page):
    return page.url.rpartition("/")[2]


def place(page, app, row, column):
    """Where a pixel is in the window; the whole picture is shown."""
    info = app.call("GET", f"documents/{document(page)}")["info"]
    page.locator("[data-part=options]").scroll_into_view_if_needed()
    box = page.locator("[data-part=stage]").bounding_box()
    scale = min((box["width"] - 24) / info["width"], (box["height"] - 24) / info["height"], 16)
    x = box["x"] + box["width"] / 2 + (column + 0.5 - info["width"] / 2) * scale
    return x, box["y"] + box["height"] / 2 + (row + 0.5 - info["height"] / 2) * scale


def stroke(page, app, *pixels):
    page.mouse.move(*place(page, app, *pixels[0]))
    page.mouse.down()
    for pixel in pixels[1:]:
        page.mouse.move(*place(page, app, *pixel), steps=4)
    page.mouse.up()


def marked(page):
    text = page.inner_text("[data-part=count]").partition(" ")[0].replace(",", "")
    return int(text) if text.isdigit() else 0


def saved_mask(page, app):
    """The mask on the server, once what was painted has arrived there."""
    page.wait_for_selector("[data-part=stage]:not([data-unsaved])")
    info = app.call("GET", f"documents/{document(page)}")["info"]
    data = app.call("GET", f"documents/{document(page)}/mask/0")
    count = info["height"] * info["width"]
    bits = np.unpackbits(np.frombuffer(data, np.uint8), count=count)
    return bits.reshape(info["height"], info["width"]).astype(bool)


def violations(page):
    """What axe finds that is serious."""
    axe = resources.files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    page.evaluate(axe)
    found = page.evaluate(f"axe.run(document, {json.dumps(AXE)})")["violations"]
    return [
        (one["id"], [node["html"][:120] for node in one["nodes"]][:3])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


def test_paint_fill_hover_click(page, app, scene):
    folder, _, _ = scene
    open_file(page, folder / "picture.png")
    page.keyboard.press("b")
    stroke(page, app, (20, 20), (28, 40))
    count = marked(page)
    assert 20 < count < 300
    assert saved_mask(page, app).sum() == count
    page.click("[data-part=fill]")
    page.wait_for_selector(FILLED)
    assert f"{count} pixels filled" in page.inner_text("[data-part=done-line]")
    page.wait_for_selector("input[value=std]:enabled")
    page.click("[data-tool=inspect]")
    page.mouse.move(*place(page, app, 24, 30))
    page.wait_for_selector("[data-part=tip]:not([hidden])")
    tip = page.inner_text("[data-part=tip]")
    assert "std: " in tip
    assert "90 %: " in tip
    page.mouse.click(*place(page, app, 24, 30))
    page.wait_for_selector("[data-part=explained]:not([hidden])")
    assert "row 24, column 30" in page.inner_text("[data-part=explained-title]")
    assert page.locator("[data-part=largest] tr").count() == 8
    for overlay in ("std", "weights", "kernel"):
        # Not by its place, which moves when the next stage of the fill is there.
        page.locator(f"input[value={overlay}]").dispatch_event("click")
        assert page.is_checked(f"input[value={overlay}]")
    assert "kernel" in page.inner_text("[data-part=legend-text]")


def test_every_tool(page, app, scene):
    """What a tool marks, against the shape that was drawn."""
    folder, _, _ = scene
    open_file(page, folder / "picture.png")
    page.keyboard.press("r")
    stroke(page, app, (5, 6), (9, 12))
    expected = np.zeros((48, 64), bool)
    expected[5:10, 6:13] = True
    np.testing.assert_array_equal(saved_mask(page, app), expected)
    page.keyboard.press("l")
    stroke(page, app, (20, 20), (20, 40), (40, 40), (40, 20))
    lasso = saved_mask(page, app)[20:41, 20:41]
    assert lasso[1:-1, 1:-1].all()
    page.keyboard.press("p")
    for corner in ((12, 50), (12, 60), (22, 55)):
        page.mouse.click(*place(page, app, *corner))
    page.keyboard.press("Enter")
    assert saved_mask(page, app)[13:16, 53:57].all()
    page.keyboard.press("e")
    stroke(page, app, (7, 8), (7, 8))
    assert not saved_mask(page, app)[7, 8]
    before = marked(page)
    page.keyboard.press("w")
    page.mouse.click(*place(page, app, 45, 5))
    until(page, lambda: marked(page) != before)
    assert saved_mask(page, app)[45, 5]
    for _ in range(5):
        page.keyboard.press("Control+z")
    assert marked(page) == 0
    assert not saved_mask(page, app).any()
    page.keyboard.press("Control+Shift+z")
    np.testing.assert_array_equal(saved_mask(page, app), expected)
    page.click("[data-part=invert]")
    np.testing.assert_array_equal(saved_mask(page, app), ~expected)
    page.click("[data-part=invert]")
    page.click("[data-part=grow]")
    until(page, lambda: marked(page) > 35)
    assert saved_mask(page, app)[3, 8]
    assert not saved_mask(page, app)[3, 6 - 2]
    page.click("[data-part=clear]")
    page.click("text=A rectangle by numbers")
    for name, value in (("top", 5), ("left", 6), ("height", 5), ("width", 7)):
        page.fill(f"[data-part=rect-{name}]", str(value))
    page.click("[data-part=rect-add]")
    np.testing.assert_array_equal(saved_mask(page, app), expected)


def test_every_step_is_undone_and_done_again(page, app, tmp_path):
    """Of a picture whose rows are no whole bytes: shapes, and what is done to all of it."""
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (47, 61), dtype=np.uint8)
    mask = np.uint8(255 * (rng.random(picture.shape) < 0.3))
    for name, array in (("picture", picture), ("mask", mask)):
        images.write(tmp_path / f"{name}.png", images.Stored(array, None))
    open_file(page, tmp_path / "picture.png")

    def use_wand():
        page.keyboard.press("w")
        page.uncheck("[data-part=contiguous]")
        page.mouse.click(*place(page, app, 20, 30))

    def use_brush():
        page.keyboard.press("b")
        stroke(page, app, (46, 2), (30, 60))

    steps = [
        use_brush,
        lambda: page.click("[data-part=invert]"),
        lambda: page.set_input_files("[data-part=import-file]", tmp_path / "mask.png"),
        lambda: page.click("[data-part=invert]"),
        use_brush,
        use_wand,
        lambda: page.click("[data-part=clear]"),
    ]
    masks = [saved_mask(page, app)]
    for step in steps:
        before = marked(page)
        step()
        until(page, lambda before=before: marked(page) != before)
        masks.append(saved_mask(page, app))
        assert marked(page) == masks[-1].sum()
    np.testing.assert_array_equal(masks[3], mask != 0)
    for key, order in (("Control+z", masks[-2::-1]), ("Control+Shift+z", masks[1:])):
        for expected in order:
            page.keyboard.press(key)
            assert marked(page) == expected.sum()
            np.testing.assert_array_equal(saved_mask(page, app), expected)


def test_masks_go_out_and_come_back(page, app, scene, tmp_path):
    folder, _, mask = scene
    open_file(page, folder / "picture.png")
    page.set_input_files("[data-part=import-file]", folder / "mask.png")
    until(page, lambda: marked(page) == mask.sum())
    with page.expect_download() as waiting:
        page.click("[data-part=save-mask]")
    assert waiting.value.suggested_filename == "picture-mask.png"
    waiting.value.save_as(tmp_path / "mask.png")
    np.testing.assert_array_equal(images.read_mask(tmp_path / "mask.png"), mask)
    page.click("[data-part=clear]")
    page.set_input_files("[data-part=import-file]", tmp_path / "mask.png")
    until(page, lambda: marked(page) == mask.sum())
    page.click("[data-part=fill]")
    page.wait_for_selector(FILLED)
    with page.expect_download() as waiting:
        page.click("[data-part=save]")
    waiting.value.save_as(tmp_path / "filled.png")
    filled = images.read(tmp_path / "filled.png").array
    np.testing.assert_array_equal(filled[~mask], scene[1][~mask])
    wrong = np.zeros((5, 7), np.uint8)
    wrong[2] = 255
    Image.fromarray(wrong).save(tmp_path / "wrong.png")
    page.set_input_files("[data-part=import-file]", tmp_path / "wrong.png")
    page.wait_for_selector("[data-part=mask-error]:not([hidden])")
    assert "another size" in page.inner_text("[data-part=mask-error]")


def test_cancel_and_reload(page, app, scene):
    """A refinement is cancelled; the exact fill and the marks are there after a reload."""
    folder, _, mask = scene
    open_file(page, folder / "picture.png")
    page.set_input_files("[data-part=import-file]", folder / "mask.png")
    until(page, lambda: marked(page) == mask.sum())
    page.click("[data-part=fill]")
    page.wait_for_selector(FILLED)
    page.reload()
    page.wait_for_selector(FILLED)
    until(page, lambda: marked(page) == mask.sum())
    page.locator("[data-part=cancel]").dispatch_event("click")  # where it is done, it does nothing
    page.wait_for_selector("[data-part=cancel]", state="hidden")
    assert app.call("GET", f"documents/{document(page)}")["stage"] == ""


def test_two_tabs(page, app, scene):
    """What is painted in one is seen in the other, whose events come through the first."""
    folder, _, _ = scene
    open_file(page, folder / "picture.png")
    other = page.context.new_page()
    other.goto(page.url)
    wait_for_mask(other)
    page.bring_to_front()
    page.keyboard.press("r")
    stroke(page, app, (5, 5), (14, 14))
    until(other, lambda: marked(other) == 100)
    page.close()
    other.click("[data-part=fill]")
    other.wait_for_selector(FILLED)


def test_a_file_that_is_none(page, app, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG no picture")
    page.set_input_files("[data-part=file]", tmp_path / "broken.png")
    page.wait_for_selector(".waiting [data-part=error]:not([hidden])")
    assert "cannot be read" in page.inner_text(".waiting [data-part=error]")
    assert violations(page) == []
    page.click(".waiting [data-part=close]")
    page.wait_for_selector(".welcome")
    (tmp_path / "program.exe").write_bytes(b"MZ")
    page.set_input_files("[data-part=file]", tmp_path / "program.exe")
    page.wait_for_selector(".welcome [data-part=error]:has-text('cannot be opened')")


def test_fingers_and_pen(page, app, scene):
    """One finger paints, two zoom and paint nothing, a pen paints by its pressure."""
    folder, _, _ = scene
    open_file(page, folder / "picture.png")
    page.keyboard.press("b")
    devices = page.context.new_cdp_session(page)

    def touch(kind, *pixels):
        points = [dict(zip("xy", place(page, app, *pixel), strict=True)) for pixel in pixels]
        devices.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", (10, 10))
    touch("touchMove", (10, 30))
    touch("touchEnd")
    count = marked(page)
    assert 3 * 20 <= count <= 5 * 30
    assert saved_mask(page, app)[10, 10:31].all()
    scale = page.inner_text("[data-part=zoom]")
    touch("touchStart", (30, 30))
    touch("touchStart", (30, 30), (30, 34))
    touch("touchMove", (30, 20), (30, 44))
    touch("touchEnd")
    assert float(page.inner_text("[data-part=zoom]").split()[0]) > 2 * float(scale.split()[0])
    assert marked(page) == count
    page.keyboard.press("0")
    page.keyboard.press("Control+z")
    widths = []
    for force in (0.1, 0.9):
        x, y = place(page, app, 24, 20)
        pen = {"pointerType": "pen", "button": "left", "clickCount": 1, "force": force}
        for kind, right in (("mousePressed", 0), ("mouseMoved", 60), ("mouseReleased", 60)):
            devices.send("Input.dispatchMouseEvent", {"type": kind, "x": x + right, "y": y} | pen)
        widths.append(marked(page))
        page.keyboard.press("Control+z")
    assert 0 < widths[0] < widths[1]


def test_before_and_after(page, app, scene, tmp_path):
    """The slider, what hides the marks, and the recipe that is copied with one click."""
    folder, picture, mask = scene
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    damaged = np.where(mask[..., None], np.uint8([255, 0, 255]), picture)
    images.write(tmp_path / "picture.png", images.Stored(damaged, -1))
    open_file(page, tmp_path / "picture.png")
    page.set_input_files("[data-part=import-file]", folder / "mask.png")
    until(page, lambda: marked(page) == mask.sum())
    page.click("[data-part=fill]")
    page.wait_for_selector(FILLED)
    page.click("[data-part=eye]")
    assert page.get_attribute("[data-part=eye]", "aria-pressed") == "false"

    def colour(row, column):
        x, y = place(page, app, row, column)
        shot = page.screenshot(clip={"x": round(x), "y": round(y), "width": 1, "height": 1})
        return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"))[0, 0].astype(int)

    page.locator("[data-part=split]").fill("100")
    until(page, lambda: abs(colour(23, 37) - damaged[23, 37]).max() <= 3)
    data = app.call("GET", f"documents/{document(page)}/files/filled")
    filled = np.asarray(Image.open(io.BytesIO(data))).astype(int)
    page.locator("[data-part=split]").fill("0")
    until(page, lambda: abs(colour(23, 37) - filled[23, 37]).max() <= 3)
    page.click("[data-copy=command]")
    page.wait_for_selector(".toast:has-text('Copied')")
    assert page.evaluate("navigator.clipboard.readText()").startswith("ntkfill inpaint picture.png")


def test_twelve_megapixels(page, app, tmp_path):
    """A large photo is painted on while it is shown: half of the frames at least are no longer than
    a tenth of a second; `benchmarks/app.py` looks at the longest, on a machine that is not busy.
    """
    rows, columns = np.indices((3000, 4000), np.float32)
    image = np.uint8(120 + 60 * np.sin(rows / 90) * np.cos(columns / 70))
    images.write(tmp_path / "large.jpg", images.Stored(np.stack([image] * 3, -1), -1))
    open_file(page, tmp_path / "large.jpg")
    page.wait_for_timeout(1500)
    page.evaluate("""() => {
        window.frames_ = [];
        let last = performance.now();
        const step = (now) => {
            window.frames_.push(now - last);
            last = now;
            requestAnimationFrame(step);
        };
        requestAnimationFrame(step);
    }""")
    stroke(page, app, (500, 500), (1500, 2500), (2500, 3500))
    assert marked(page) > 100_000
    assert saved_mask(page, app).sum() == marked(page)  # it is sent in parts
    box = page.locator("[data-part=stage]").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    for _ in range(8):
        page.mouse.wheel(0, -200)
        page.wait_for_timeout(30)
    page.keyboard.press("Control+z")
    assert marked(page) == 0
    assert np.median(page.evaluate("window.frames_")) < 100


def test_by_keyboard_alone(page, app, scene):
    folder, _, _ = scene
    open_file(page, folder / "picture.png")
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.part") == "stage":
            break
    assert page.evaluate("document.activeElement.dataset.part") == "stage"
    page.keyboard.press("r")
    for key in (
        "ArrowRight",
        "ArrowLeft",
        "Space",
        *["ArrowDown"] * 4,
        "Shift+ArrowRight",
        "Space",
    ):
        page.keyboard.press(key)
    assert marked(page) == 5 * 11
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(FILLED)
    page.keyboard.press("i")
    page.keyboard.press("ArrowUp")
    until(page, lambda: "filled" in page.text_content("[data-part=spoken]"))
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Space")
    page.wait_for_selector("[data-part=explained]:not([hidden])")


def test_volumes_have_pages(page, app, tmp_path):
    volume = np.add.outer(np.arange(4), np.add.outer(np.arange(30), np.arange(40))).astype(
        np.uint16
    )
    np.save(tmp_path / "volume.npy", volume)
    open_file(page, tmp_path / "volume.npy")
    assert page.inner_text("[data-part=page-out]") == "3 of 4"
    page.keyboard.press("r")
    stroke(page, app, (5, 5), (8, 8))
    page.click("[data-part=everywhere]")
    page.wait_for_selector(".toast:has-text('all 4 pages')")
    page.keyboard.press("PageUp")
    until(page, lambda: marked(page) == 16)
    page.keyboard.press("b")
    stroke(page, app, (20, 20), (20, 24))
    count = marked(page)
    for key in ("PageUp", "PageDown"):  # at once, before it is sent
        page.keyboard.press(key)
    assert marked(page) == count
    page.wait_for_selector("[data-part=stage]:not([data-unsaved])")
    page.keyboard.press("Control+z")
    page.click("[data-part=fill]")
    page.wait_for_selector(FILLED)
    assert "64 pixels filled" in page.inner_text("[data-part=done-line]")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    "size", [NARROW, {"width": 1366, "height": 768}, WIDE], ids=["360", "laptop", "4K"]
)
def test_everybody_can_use_it(page, app, scene, theme, size):
    """No serious finding of axe, and nothing wider than the window, in any view."""
    folder, _, mask = scene
    page.set_viewport_size(size)
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    assert violations(page) == []
    wide = "document.documentElement.scrollWidth > innerWidth"
    assert not page.evaluate(wide)
    open_file(page, folder / "picture.png")
    assert violations(page) == []
    page.set_input_files("[data-part=import-file]", folder / "mask.png")
    until(page, lambda: marked(page) == mask.sum())
    page.click("[data-part=fill]")
    page.wait_for_selector(FILLED)
    until(page, page.locator("input[value=std]").is_enabled)
    page.click("[data-tool=inspect]")
    page.mouse.click(*place(page, app, 23, 36))
    page.wait_for_selector("[data-part=explained]:not([hidden])")
    for summary in page.locator("summary").all():
        summary.click()
    assert violations(page) == []
    assert not page.evaluate(wide)
    page.click("[data-part=help]")
    assert violations(page) == []


def test_a_table(page, app):
    """Fill, look at a filled cell, and the same for axe."""
    page.click("[data-example=table]")
    page.wait_for_selector(".sheet td.gap")
    page.click("[data-part=fill]")
    page.wait_for_selector(".sheet td.filled")
    page.wait_for_selector("[data-part=save-std]:enabled", timeout=120_000)
    page.locator("td.filled").first.focus()
    page.wait_for_selector("[data-part=largest] tr")
    assert "90 %: " in page.inner_text("[data-part=cell-text]")
    for size in (page.viewport_size, WIDE, NARROW):
        page.set_viewport_size(size)
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            assert violations(page) == []
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")


def test_a_screen(page, app):
    page.click("[data-example=screen]")
    page.wait_for_selector(".screen canvas")
    page.click("[data-part=complete]")
    page.wait_for_selector("[data-part=completion]:not([hidden])")
    page.click("[data-part=rank-example]")
    page.wait_for_selector("[data-part=ranking]:not([hidden])")
    assert page.locator("[data-part=ranked] tr").count() == 24
    for size in (page.viewport_size, WIDE, NARROW):
        page.set_viewport_size(size)
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            assert violations(page) == []
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")


def active(page):
    """What has the focus: the name of its part, or of its element."""
    return page.evaluate("document.activeElement.dataset.part ?? document.activeElement.tagName")


def test_the_focus_is_never_lost(page, app, scene):
    """The link that skips to the content, opening, tabs and closing, by keyboard."""
    folder, _, _ = scene
    page.locator("[data-example=table]").press("Enter")
    page.wait_for_selector(".sheet td.gap")
    assert active(page) == "main"
    address = page.url
    page.locator("[data-part=skip]").press("Enter")
    assert (page.url, active(page)) == (address, "main")
    page.set_input_files("[data-part=file]", folder / "picture.png")
    page.wait_for_selector(".editor")
    page.locator("nav a").first.press("Enter")
    page.wait_for_selector(".sheet td.gap")
    assert active(page) == "A"
    page.locator("nav li button").first.press("Enter")
    page.wait_for_selector(".welcome")
    assert active(page) == "main"


def test_many_tabs(page, app, scene):
    """More than a browser has connections for, each reloaded at a document of its own."""
    folder, _, _ = scene
    addresses = []
    for _ in range(8):
        open_file(page, folder / "picture.png")
        addresses.append(page.url)
    others = []
    for address in addresses:
        others.append(page.context.new_page())
        others[-1].goto(address)
        others[-1].wait_for_selector(".editor")
    app.call("DELETE", f"documents/{document(others[-1])}")
    others[-1].wait_for_selector(".welcome")


def test_a_table_by_keyboard(page, app):
    """One stop for all filled cells, arrows between them, which outlast what is filled anew."""
    page.click("[data-example=table]")
    page.wait_for_selector(".sheet td.gap")
    page.keyboard.press("f")
    page.wait_for_selector("[data-part=save-std]:enabled", timeout=120_000)
    page.locator("[data-part=grid]").focus()
    page.keyboard.press("Tab")
    at = "(({ row, column }) => [Number(row), Number(column)])(document.activeElement.dataset)"
    first = page.evaluate(at)
    page.keyboard.press("ArrowDown")
    below = page.evaluate(at)
    assert below[0] > first[0]
    assert below[1] == first[1]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(at) == below
    version = app.call("GET", f"documents/{document(page)}")["result"]["version"]
    page.keyboard.press("f")
    app.wait(
        document(page),
        lambda state: not state["stage"] and state["result"]["version"] != version,
    )
    page.wait_for_selector("[data-part=fill][aria-disabled=false]")
    until(page, lambda: "std" in page.inner_text("[data-part=cell-text]"))
    assert page.evaluate(at) == below
    page.keyboard.press("Tab")
    assert active(page) == "later"


def test_what_runs_is_not_ended_by_a_slip(page, app):
    """Of a screen: what would end an evaluation is off until it is done, and keeps the focus."""
    page.click("[data-example=screen]")
    page.wait_for_selector(".screen canvas")
    page.locator("[data-part=evaluate]").press("Enter")
    page.wait_for_selector("[data-part=complete][aria-disabled=true]")
    page.keyboard.press("Enter")
    page.locator("[data-part=complete]").dispatch_event("click")
    assert active(page) == "evaluate"
    page.wait_for_selector("[data-part=evaluation]:not([hidden])")
    assert "cell mean removed" in page.inner_text("[data-part=scores-head]")
    page.locator("[data-part=evaluate]").press("Enter")
    page.locator("[data-part=cancel]:not([hidden])").press("Enter")
    page.wait_for_selector("[data-part=cancel]", state="hidden")
    assert active(page) == "complete"


def test_a_map_by_keyboard(page, app):
    held = []
    page.route("**/availability", lambda route: held.append(route))
    with page.expect_request("**/availability"):
        page.click("[data-example=screen]")
    assert page.get_attribute("[data-part=map]", "tabindex") is None  # it has no answer to keys yet
    held[0].continue_()
    page.wait_for_selector(".screen canvas[tabindex]")
    availability = app.call("GET", f"documents/{document(page)}/availability")
    page.locator("[data-part=map]").focus()
    for key in ("ArrowDown", "End"):
        page.keyboard.press(key)
    cell, drug = availability["cells"][1], availability["drugs"][-1]
    known = "measured" if availability["measured"][1][-1] == "1" else "not measured"
    assert page.inner_text("[data-part=map-text]") == f"{cell}, {drug}: {known}"
    assert page.is_visible("[data-part=map-mark]")
    page.mouse.move(5, 5)
    page.keyboard.press("ArrowDown")
    assert availability["cells"][2] in page.inner_text("[data-part=map-text]")


def test_a_table_that_looks_like_a_screen(page, app, tmp_path):
    rows = [f"c{k % 5},d{k // 5},{'' if k == 7 else k + 0.5}" for k in range(30)]
    (tmp_path / "doses.csv").write_text("\n".join(["cell,drug,ic50", *rows]) + "\n")
    page.set_input_files("[data-part=file]", tmp_path / "doses.csv")
    page.wait_for_selector("[data-part=as-table]:not([hidden])")
    page.click("[data-part=as-table]")
    page.wait_for_selector(".sheet td.gap")
    assert "1 of 30 entries" in page.inner_text("[data-part=count]")


def test_a_code_is_taken_for_a_gap_by_keyboard(page, app, tmp_path):
    lines = [f"{k},{-999 if k == 4 else k / 3}" for k in range(40)]
    (tmp_path / "codes.csv").write_text("\n".join(["a,b", *lines]) + "\n")
    page.set_input_files("[data-part=file]", tmp_path / "codes.csv")
    page.locator("[data-part=codes] button").press("Enter")
    page.wait_for_selector(".sheet td.gap")
    until(page, lambda: page.locator("[data-part=codes] button").count() == 0)
    assert active(page) == "marks"
