"""The picture of a result page in the README, docs/assets/web.jpg: a site of its own, asked in Debian's Chromium.

python scripts/web_picture.py
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
SIZE, SHOWN = {"width": 1180, "height": 860}, 1180


def main() -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("web_picture: needs Chromium: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "whylight", "serve", "--port", "0", "--data", f"{folder}/site"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+/", process.stdout.readline())
            assert found is not None
            _draw(found[0], chromium)
        finally:
            process.terminate()
            process.wait(20)


def _draw(url: str, chromium: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE, device_scale_factor=1.5)
        page.goto(url)
        page.set_input_files("input[type=file] >> nth=0", str(ROOT / "examples" / "astronaut.jpg"))
        page.get_by_role("button", name="Explain").first.click()
        page.locator(".receipt.good, .receipt.bad").first.wait_for(timeout=60_000)
        page.wait_for_timeout(800)
        picture = page.screenshot()
        browser.close()
    with Image.open(io.BytesIO(picture)) as shot:
        small = shot.convert("RGB").resize((SHOWN, round(shot.height * SHOWN / shot.width)), Image.Resampling.LANCZOS)
        small.save(ROOT / "docs" / "assets" / "web.jpg", quality=82, optimize=True)


if __name__ == "__main__":
    main()
