"""Make the pictures of the page: ``python docs/app_pictures.py`` (Playwright and Chromium).

Pictures are those of the real page, with the examples that it offers; `--all FOLDER` writes every
view at three sizes, light and dark, to look at.
"""

import argparse
import io
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

SIZES = {"phone": (360, 740), "laptop": (1366, 768), "4k": (3840, 2160)}
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]


def shoot(page, path):
    """A picture of the window, small enough for a repository."""
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.save(path, quality=80, optimize=True)
    print(path, f"{path.stat().st_size / 1000:.0f} kB")


def place(page, row, column, shape=(427, 512)):
    """Where a pixel of the example is in the window."""
    box = page.locator("[data-part=stage]").bounding_box()
    scale = min((box["width"] - 24) / shape[1], (box["height"] - 24) / shape[0])
    x = box["x"] + box["width"] / 2 + (column - shape[1] / 2) * scale
    return x, box["y"] + box["height"] / 2 + (row - shape[0] / 2) * scale


def image(page, address):
    """The scratched photo, half filled, with what one pixel is made of; the README's first."""
    page.goto(address)
    page.click("[data-example=image]")
    page.wait_for_selector(".editor")
    page.uncheck("[data-part=refine]")  # which takes a minute
    page.click("[data-part=fill]")
    page.wait_for_selector("[data-part=save-std]:enabled", timeout=120_000)
    page.click("[data-tool=inspect]")
    page.locator("[data-part=options]").scroll_into_view_if_needed()
    page.mouse.click(*place(page, 320, 287))
    page.wait_for_selector("[data-part=largest] tr")
    page.locator("[data-part=split]").fill("50")
    page.wait_for_timeout(800)


def table(page, address):
    """The wines, filled, with one cell explained."""
    page.goto(f"{address}#/")
    page.click("[data-example=table]")
    page.wait_for_selector(".sheet td.gap")
    page.click("[data-part=fill]")
    page.wait_for_selector("[data-part=save-std]:enabled", timeout=120_000)
    page.locator("td.filled").nth(3).focus()
    page.wait_for_selector("[data-part=largest] tr")
    page.wait_for_timeout(300)


def screen(page, address):
    """The simulated screen, completed, evaluated and ranked."""
    page.goto(f"{address}#/")
    page.click("[data-example=screen]")
    page.wait_for_selector(".screen canvas")
    for button, section in (
        ("complete", "completion"),
        ("evaluate", "evaluation"),
        ("rank-example", "ranking"),
    ):
        page.click(f"[data-part={button}]")
        page.wait_for_selector(f"[data-part={section}]:not([hidden])", timeout=120_000)
    page.wait_for_timeout(300)


def main() -> None:
    """Write the pictures of the documentation, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", type=Path, metavar="FOLDER")
    folder = parser.parse_args().all
    command = [sys.executable, "-m", "ntkfill", "app", "--no-browser"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    address = server.stdout.readline().strip()
    try:
        with sync_playwright() as driver:
            program = shutil.which("chromium")
            browser = driver.chromium.launch(executable_path=program, args=ARGUMENTS)
            size = dict(zip(("width", "height"), SIZES["laptop"], strict=True))
            page = browser.new_page(viewport=size)
            for view in (image, table, screen):
                view(page, address)
                if folder is None:
                    shoot(page, Path(__file__).parent / "images" / f"app-{view.__name__}.jpg")
                    continue
                for name, (width, height) in SIZES.items():
                    for theme in ("light", "dark"):
                        page.set_viewport_size({"width": width, "height": height})
                        page.emulate_media(color_scheme=theme)
                        page.wait_for_timeout(700)
                        shoot(page, folder / f"{view.__name__}-{name}-{theme}.jpg")
                page.set_viewport_size(size)
                page.emulate_media(color_scheme="light")
            browser.close()
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
