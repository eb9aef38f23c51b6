"""Calls of a running site, as a program makes them."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from uuid import uuid4


def multipart(fields: dict[str, str], files: dict[str, bytes]) -> tuple[bytes, str]:
    """A form's body and its content type."""
    mark, body = uuid4().hex, bytearray()
    for name, value in fields.items():
        body += f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    for name, data in files.items():
        head = f'--{mark}\r\nContent-Disposition: form-data; name="{name}"; filename="x.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
        body += head.encode() + data + b"\r\n"
    return bytes(body + f"--{mark}--\r\n".encode()), f"multipart/form-data; boundary={mark}"


def call(url: str, method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[int, Any]:
    """The status and the JSON of an answer, an error's as well."""
    asked = urllib.request.Request(
        url, data=body, method=method, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def post(site: Any, path: str, fields: dict[str, str], picture: Path | bytes) -> Any:
    """Send a picture; the answer, which must be a good one."""
    data = picture.read_bytes() if isinstance(picture, Path) else picture
    body, kind = multipart(fields, {"picture": data})
    status, answer = call(site.url + path, "POST", body, Content_Type=kind)
    assert status == 200, answer
    return answer


def cookie(site: Any) -> str:
    """A browser's cookie, as a site gives it to whoever stores something."""
    body = json.dumps({"name": "test"}).encode()
    asked = urllib.request.Request(f"{site.url}/api/keys", data=body, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return next(one for one in answer.headers.get_all("Set-Cookie") if one.startswith("whylight=")).partition(";")[
            0
        ]


def forget(holder: str, url: str) -> None:
    """Delete all pictures of who holds a cookie; what is asked about them ends."""
    cookie = f"whylight={holder}"
    _, pictures = call(f"{url}/api/pictures", Cookie=cookie)
    for one in pictures if isinstance(pictures, list) else []:
        asked = urllib.request.Request(f"{url}/api/pictures/{one['id']}", method="DELETE", headers={"Cookie": cookie})
        with urllib.request.urlopen(asked, timeout=60):
            pass


def picture_page(site: Any, page: Any, where: str, button: str, picture: Path) -> None:
    """Send a picture from a page of the site, as a visitor does, and wait for the answer."""
    page.goto(f"{site.url}/{where}/")
    page.set_input_files("input[type=file] >> nth=0", str(picture))
    page.get_by_role("button", name=button).first.click()
    page.wait_for_url("**/results/**", timeout=20_000)
    page.locator("#body.state-done").wait_for(timeout=60_000)
