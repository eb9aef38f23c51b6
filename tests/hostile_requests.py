"""Requests that were made to hurt, as bytes on a connection: wrong lengths, ten thousand parts, names that are paths, nulls, heads
without end. `requests()` has all of them; whoever answers must say what is wrong, or answer, and never break.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from typing import NamedTuple

EDGE = b"a-line-that-no-picture-holds"
FORM = b"multipart/form-data; boundary=" + EDGE
MOST = 20 * 2**20


class Request(NamedTuple):
    """One of them.

    Attributes:
        name: for the reports of tests.
        sent: what goes over the connection, piece by piece, with a short pause between.
        hangs_up: the sender does not wait for an answer.
    """

    name: str
    sent: list[bytes]
    hangs_up: bool = False


class Answer(NamedTuple):
    """What came of it. `status` is 0 where the connection ended without an answer."""

    status: int
    seconds: float
    body: bytes


def head(path: bytes, *lines: bytes, method: bytes = b"POST", host: bytes = b"localhost") -> bytes:
    """The head of a request that ends its connection."""
    top = b"%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n" % (method, path, host)
    return top + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def part(name: bytes, body: bytes, file: bytes | None = None, *more: bytes) -> bytes:
    """A part of a form; `file` goes between its quotes as it is."""
    told = b'Content-Disposition: form-data; name="%s"' % name
    told += b"" if file is None else b'; filename="%s"' % file
    return b"--" + EDGE + b"\r\n" + b"\r\n".join([told, *more]) + b"\r\n\r\n" + body + b"\r\n"


def form(*parts: bytes, path: bytes = b"/api/explain", kind: bytes = FORM) -> bytes:
    """A whole request with a form."""
    body = b"".join(parts) + b"--" + EDGE + b"--\r\n"
    return head(path, b"Content-Type: " + kind, b"Content-Length: %d" % len(body)) + body


def requests(photo: bytes) -> Iterator[Request]:
    """All of them; `photo` is a good picture, so that nothing else is wrong."""
    for kind in (names, fields, lengths, chunks, parts, kinds, heads, paths, breaks):
        for name, sent, *others in kind(photo):
            pieces = sent if isinstance(sent, list) else [sent]
            yield Request(f"{kind.__name__}/{name}", pieces, bool(others))


def names(photo: bytes) -> Iterator[tuple[str, bytes]]:
    for name in (
        *(
            b"../../../../etc/passwd",
            b"..\\..\\secret.jpg",
            b"/etc/passwd",
            b"C:\\a.jpg",
            b"x.jpg\0.php",
            b"\0",
            b"",
            b" ",
        ),
        *(
            b".",
            b"..",
            b"a\tb",
            b"a\x1b[31mb",
            b"a" * 5000,
            b"\xff\xfe\xfd",
            b"con",
            b"a.html",
            b"<script>alert(1)</script>",
        ),
        *(
            b'a"b',
            b"%2e%2e%2f%2e%2e%2fpasswd",
            b"a\x7fb",
            "🙂.jpg".encode(),
            b"picture.ppm",
            b"view.jpg",
            b"job.json",
            b"|ls",
        ),
    ):
        yield repr(name[:30]), form(part(b"picture", photo, name))
    for told in (
        b"filename*=UTF-8''..%2f..%2fa.jpg",
        b"filename*=what''%zz",
        b"filename*=",
        b"filename=..",
        b"name=picture",
    ):
        whole = b'Content-Disposition: form-data; name="picture"; ' + told
        yield told.decode(), form(b"--" + EDGE + b"\r\n" + whole + b"\r\n\r\n" + photo + b"\r\n")


def fields(photo: bytes) -> Iterator[tuple[str, bytes]]:
    given = part(b"picture", photo, b"a.jpg")
    for name, values in {
        "model": (
            b"../../face",
            b"/etc/passwd",
            b"hf:a/b",
            b"https://x.invalid/m.pt",
            b"face\0",
            b"a" * 100_000,
            b"face,person",
        ),
        "method": (
            b"nothing",
            b"GradCAM ",
            b"gradcam\0",
            b"__import__('os')",
            b"rise" * 9000,
            b"\xff\xff",
            b"{{7*7}}",
            b"random",
        ),
        "target": (
            b"-1",
            b"999999999999999999999",
            b"1e400",
            b"nan",
            b"no such class",
            b"\0",
            b"a" * 100_000,
            b"' or 1=1 --",
        ),
        "keep": (b"maybe", b"\0", b"[]"),
        "wait": (b"-5", b"1e308", b"nan", b"soon", b"99999999999999999999999"),
    }.items():
        for value in values:
            yield f"{name} {value[:24]!r}", form(given, part(name.encode(), value))
    yield "picture as text", form(part(b"picture", photo))
    yield "picture as a path", form(part(b"picture", b"/etc/passwd"))
    yield "picture as an address", form(part(b"picture", b"http://169.254.169.254/latest/meta-data/"))
    yield "two pictures", form(given, given)
    yield "no picture", form(part(b"model", b"face"))
    yield "an empty picture", form(part(b"picture", b"", b"a.jpg"))
    yield "nothing at all", form()
    yield "a field without a name", form(given, part(b"", b"x"))
    yield "a field with nulls", form(given, part(b"\0\0", b"\0"))
    yield "a field that is an array", form(given, part(b"model[]", b"face"), part(b"__proto__", b"1"))
    yield "a field twice", form(given, part(b"model", b"face"), part(b"model", b"person"))


def lengths(photo: bytes) -> Iterator[tuple[str, bytes] | tuple[str, bytes, bool]]:
    whole = form(part(b"picture", photo, b"a.jpg"))
    top, _, body = whole.partition(b"\r\n\r\n")
    right = b"Content-Length: %d" % len(body)
    for value in (
        *(
            b"-1",
            b"+5",
            b"0x10",
            b"1e3",
            b"5 5",
            b"",
            b"abc",
            b"1,2",
            b"9" * 40,
            b"\xb2",
            b"0",
            b"1",
            b"10",
            b"1.0",
            b" 7 ",
        ),
        *(b"%d" % (2**31), b"%d" % 2**63, b"%d" % (len(body) // 2), b"%d" % (len(body) - 1)),
    ):
        yield f"says {value[:12]!r}", top.replace(right, b"Content-Length: " + value) + b"\r\n\r\n" + body
    yield "two that differ", top + b"\r\nContent-Length: 5\r\n\r\n" + body
    yield "none", top.replace(right, b"X: y") + b"\r\n\r\n" + body
    yield "ends early", top.replace(right, b"Content-Length: %d" % (len(body) + 9)) + b"\r\n\r\n" + body, True
    yield "half of it", whole[: len(whole) // 2], True
    yield "a head without a body", top + b"\r\n\r\n", True
    more = part(b"picture", photo + bytes(MOST), b"a.jpg")
    yield "a byte too much for a file", form(more)
    yield "61 MB in four files", form(*[part(b"picture", photo + bytes(15 * 2**20), b"a.jpg")] * 4)


def chunks(photo: bytes) -> Iterator[tuple[str, bytes] | tuple[str, list[bytes]]]:
    body = part(b"picture", photo, b"a.jpg") + b"--" + EDGE + b"--\r\n"
    top = head(b"/api/explain", b"Content-Type: " + FORM, b"Transfer-Encoding: chunked")
    yield "as it should be", top + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    small = b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in (body[at : at + 7] for at in range(0, 7000, 7)))
    yield "by sevens, then nothing", top + small + b"0\r\n\r\n"
    for size in (b"-1", b"g", b"", b"f" * 20, b"5;" + b"a" * 5000, b"0x5", b"5 5", b"\0"):
        waits = {True} if size in (b"", b"f" * 20) else set()  # for more, or for the next size
        yield f"of {size[:10]!r}", top + size + b"\r\nabcde\r\n0\r\n\r\n", *waits
    yield "with a wrong end", top + b"5\r\nabcdeXX5\r\nabcde\r\n0\r\n\r\n"
    yield "with a trailer", top + b"5\r\nabcde\r\n0\r\nContent-Length: 9\r\nX: " + b"y" * 9000 + b"\r\n\r\n"
    million = b"100000\r\n" + bytes(2**20) + b"\r\n"
    yield "70 MB", [top, *[million] * 70, b"0\r\n\r\n"]
    yield "and a length", top.replace(b"Transfer", b"Content-Length: 5\r\nTransfer") + b"0\r\n\r\n"
    for coding in (b"gzip", b"chunked, chunked", b"identity", b"xchunked", b"chunked\x0b", b"gzip, chunked"):
        yield f"coded {coding!r}", top.replace(b": chunked", b": " + coding) + b"0\r\n\r\n"


def parts(photo: bytes) -> Iterator[tuple[str, bytes]]:
    given = part(b"picture", photo, b"a.jpg")
    yield "ten thousand files", form(*[part(b"picture", b"x", b"a.jpg")] * 10_000)
    yield "ten thousand fields", form(given, *[part(b"a", b"x")] * 10_000)
    yield "ten thousand empty ones", form(*[b"--" + EDGE + b"\r\n\r\n\r\n"] * 10_000)
    yield "ten thousand headers", form(part(b"picture", photo, b"a.jpg", *[b"X: y"] * 10_000))
    yield "a header of a megabyte", form(part(b"picture", photo, b"a.jpg", b"X: " + b"y" * 2**20))
    yield "a field of two megabytes", form(given, part(b"model", b"x" * 2 * 2**20))
    yield "no lines between", form(b"--" + EDGE * 1000)
    yield (
        "the end is missing",
        head(b"/api/explain", b"Content-Type: " + FORM, b"Content-Length: %d" % len(given)) + given,
    )
    yield "only the end", form(b"")
    yield "a form in a form", form(part(b"picture", given, b"a.jpg", b"Content-Type: " + FORM))
    for coding in (b"base64", b"quoted-printable", b"what"):
        yield (
            f"coded {coding.decode()}",
            form(part(b"picture", photo, b"a.jpg", b"Content-Transfer-Encoding: " + coding)),
        )
    many = b"QUJD" * 100_000
    yield "base64 that ends early", form(part(b"picture", many[:-3], b"a.jpg", b"Content-Transfer-Encoding: base64"))
    for boundary in (b"", b"a" * 300, b"\xff", b'"', b"--", b"a b", b"%s; boundary=x" % EDGE):
        yield f"boundary {boundary[:12]!r}", form(given, kind=b"multipart/form-data; boundary=" + boundary)
    yield "no boundary", form(given, kind=b"multipart/form-data")
    yield "a charset that is none", form(given, kind=FORM + b"; charset=what")


def kinds(photo: bytes) -> Iterator[tuple[str, bytes]]:
    bodies = {
        b"application/json": (
            b"{}",
            b"{" * 100_000,
            b"[" * 100_000,
            b'{"a":' * 5000 + b"1" + b"}" * 5000,
            b"\xff",
            b"NaN",
            b"1" * 5000,
        ),
        b"application/x-www-form-urlencoded": (
            b"picture=" + b"a" * 3_000_000,
            b"a=b&" * 10_000,
            b"%00=%00",
            b"=&=&=",
            b"%zz",
        ),
        b"application/xml": (b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>',),
        b"image/jpeg": (photo,),
        b"": (photo,),
        b"multipart/mixed; boundary=" + EDGE: (part(b"picture", photo, b"a.jpg") + b"--" + EDGE + b"--\r\n",),
        b"text/html; charset=utf-7": (b"+ADw-script+AD4-",),
    }
    for path in (b"/api/explain", b"/api/keys", b"/pictures/send/"):
        for kind, some in bodies.items():
            for body in some:
                sent = head(path, b"Content-Type: " + kind, b"Content-Length: %d" % len(body)) + body
                yield f"{path.decode()} {kind.decode()[:24]} {body[:8]!r}", sent
    body = form(part(b"picture", photo, b"a.jpg")).partition(b"\r\n\r\n")[2]
    lines = (b"Content-Type: " + FORM, b"Content-Encoding: gzip", b"Content-Length: %d" % len(body))
    yield "said to be zipped", head(b"/api/explain", *lines) + body
    yield "who waits to be asked", head(b"/api/explain", *lines, b"Expect: 100-continue") + body


def heads(photo: bytes) -> Iterator[tuple[str, bytes]]:
    for method in (
        b"PUT",
        b"DELETE",
        b"TRACE",
        b"CONNECT",
        b"PATCH",
        b"OPTIONS",
        b"HEAD",
        b"post",
        b"A" * 9000,
        b"G\0T",
        b"G T",
    ):
        yield f"method {method[:9]!r}", head(b"/api/explain", method=method)
    for host in (
        b"evil.invalid",
        b"",
        b"localhost:99999",
        b"a b",
        b"localhost@evil.invalid",
        b"[::1",
        b"\xff",
        b"127.0.0.1\0",
    ):
        yield f"host {host!r}", head(b"/", method=b"GET", host=host)
    for line in (
        *(
            b"Cookie: whylight=" + b"a" * 30_000,
            b"Cookie: whylight=\0",
            b"Cookie: " + b"a=b; " * 9000,
            b"Cookie: csrftoken=\xff",
        ),
        *(
            b"Authorization: Bearer " + b"a" * 9000,
            b"Authorization: Bearer \0",
            b"Authorization: Basic \xff",
            b"Authorization:",
        ),
        *(
            b"X-Forwarded-For: \0",
            b"X-Forwarded-For: " + b"1.2.3.4, " * 4000,
            b"X-Forwarded-Host: evil.invalid",
            b"Range: bytes=0-,-1",
        ),
        *(
            b"Accept: " + b"*/*," * 9000,
            b"Accept: \xff",
            b"If-None-Match: " + b'"a",' * 9000,
            b"If-Modified-Since: yesterday",
        ),
        *(
            b"X: " + b"y" * 90_000,
            b"no colon",
            b": no name",
            b"X Y: z",
            b"X: a\rb",
            b"X: a\nb",
            b"X: a\r\n folded: x",
            b"\0: x",
            b"HX-Request: true",
        ),
        *(
            b"Sec-Fetch-Site: cross-site",
            b"Origin: null",
            b"Origin: https://evil.invalid",
            b"Referer: \xff",
            b"Upgrade: h2c",
        ),
    ):
        yield f"line {line[:22]!r}", head(b"/api/models", line, method=b"GET")
        yield f"page line {line[:22]!r}", head(b"/", line, method=b"GET")
    yield "ten thousand lines", head(b"/", *[b"X: y"] * 10_000, method=b"GET")
    yield "no version", b"GET /\r\n\r\n"
    yield "version 9", b"GET / HTTP/9.9\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    yield "of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    yield "of TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200) + b"\r\n\r\n"
    yield "nulls", bytes(5000) + b"\r\n\r\n"
    yield "empty lines", b"\r\n" * 5000 + b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def paths(photo: bytes) -> Iterator[tuple[str, bytes]]:
    for path in (
        *(
            b"/../../etc/passwd",
            b"/static/../../etc/passwd",
            b"/static/%2e%2e/%2e%2e/settings.py",
            b"/static/..%2fsettings.py",
        ),
        *(
            b"/static//etc/passwd",
            b"/static/%00",
            b"/%00",
            b"/%ff",
            b"/%zz",
            b"/" + b"a" * 20_000,
            b"//evil.invalid/",
            b"/\\evil.invalid",
        ),
        *(
            b"http://evil.invalid/",
            b"http://localhost/",
            b"*",
            b"localhost:80",
            b"/?" + b"a=b&" * 5000,
            b"/?\0",
            b"/?a[]=1&%00=%00",
        ),
        *(
            b"/results/../",
            b"/results/" + b"a" * 500 + b"/",
            b"/results/%00/",
            b"/results/1/",
            b"/results/' or 1=1/",
            b"/results/-1/",
        ),
        *(
            b"/api/jobs/%2e%2e",
            b"/api/jobs/" + b"9" * 400,
            b"/api/pictures/..%2f..%2fsite.db",
            b"/api/pictures/x/view.jpg/../a",
        ),
        *(
            b"/shared/x/",
            b"/shared/%00/",
            b"/media/",
            b"/pictures/",
            b"/tasks/",
            b"/site.db",
            b"/secret",
            b"/admin/",
            b"/.git/config",
        ),
        *(
            b"/api/",
            b"/api/nothing",
            b"/api/openapi.json?x=%00",
            b"/models/?page=" + b"9" * 400,
            b"/api/models?model=%ff",
        ),
        *(
            b"/?next=//evil.invalid",
            b"/%0d%0aSet-Cookie:a=b",
            b"/?a=%0d%0aX: y",
            b"/favicon.ico",
            b"/robots.txt",
            b"/;/",
            b"/.//",
        ),
    ):
        yield repr(path[:32]), head(path, method=b"GET")


def breaks(photo: bytes) -> Iterator[tuple[str, list[bytes], bool]]:
    whole = form(part(b"picture", photo, b"a.jpg"))
    yield "one byte at a time, then gone", [bytes([one]) for one in whole[:40]], True
    yield "nothing said", [], True
    yield "after the answer's first byte", [form(part(b"picture", photo, b"a.jpg"), part(b"method", b"rise"))], True
    yield "in the middle of the picture", [whole[:3000], whole[3000:9000]], True


def send(port: int, request: Request, patience: float = 30) -> Answer:
    """Send one and read the answer."""
    began = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as connection:
        got = b""
        try:
            for number, piece in enumerate(request.sent):
                if number:
                    time.sleep(0.005)
                connection.sendall(piece)
            if request.hangs_up:  # at once, without a farewell
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return Answer(0, time.perf_counter() - began, b"")
        except OSError:  # the answer came before all was sent
            pass
        try:
            while more := connection.recv(2**16):
                got += more
        except OSError:  # cut off, or nothing came for too long
            pass
    first = got.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").split(b"\r\n", 1)[0].split(b" ")
    status = int(first[1]) if len(first) > 1 and first[0].startswith(b"HTTP/") and first[1].isdigit() else 0
    return Answer(status, time.perf_counter() - began, got)
