"""What a page holds, read back out of it."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def data_of(page: Path) -> dict[str, Any]:
    """The facts that the script of a page reads."""
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.DOTALL)
    value: dict[str, Any] = json.loads(found)
    return value


def pictures_of(page: Path) -> list[bytes]:
    """Its small pictures, in order."""
    found = re.findall(r'<script type="text/plain" id="t\d+">([^<]*)</script>', page.read_text())
    return [base64.b64decode(one) for one in found]


def browse(page: Path, home: Path, script: str = "") -> str:
    """The page as a browser has drawn it: its HTML, or what a script returns that is run in it; skips where there is no browser."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"no browser here: none of {', '.join(BROWSERS)} is installed")
    if script:
        text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text())
        told = f"JSON.stringify(await (async () => {{ {script} }})().catch(String))"
        driver = f"<script>addEventListener('load', async () => {{ document.title = {told}; }});</script>"
        page = home / "driven.html"
        page.write_text(text.replace("</body>", driver + "</body>"))
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={home / 'profile'}"]
    command += ["--window-size=1280,900", "--virtual-time-budget=4000", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout
