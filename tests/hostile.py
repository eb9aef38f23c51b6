"""Uploads that were made to hurt: more than a thousand, the same ones each time, from `uploads()`.

Each has a name for the reports of tests. None is larger than an upload may be, but for those of `too_large`. Some are good pictures
that only look bad, or cost as much as a picture may: whoever takes them in must read them or refuse them, within the limits.
"""

from __future__ import annotations

import functools
import io
import struct
import zlib
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from PIL import Image

from pictures import chunk, encoded, one_by_one, png, progressive, scans_of

Upload = tuple[str, bytes]
PNG = b"\x89PNG\r\n\x1a\n"
MOST = 20 * 2**20
_IEND = chunk(b"IEND", b"")


def uploads() -> Iterator[Upload]:
    """All of them."""
    for kind in (
        *(truncated, fuzzed_heads, fuzzed_bodies, random_bytes, other_kinds, polyglots, lying_sizes),
        *(frame_bombs, notes_of_jpeg, notes_of_png, notes_of_webp, broken_png, broken_jpeg, broken_webp),
        *(many_scans, heavy, too_large),
    ):
        for name, data in kind():
            yield f"{kind.__name__}/{name}", data


def scene(width: int, height: int) -> Image.Image:
    """A colourful picture with edges, slopes and noise."""
    rng = np.random.default_rng(width * height)
    y, x = np.mgrid[0:height, 0:width]
    colours = np.stack([255 * x / width, 255 * y / height, 128 + 100 * np.sin(x / 7) * np.cos(y / 5)], axis=2)
    colours[height // 3 : height // 2, width // 4 : width // 2] = (230, 30, 60)
    return Image.fromarray(np.clip(colours + rng.normal(0, 6, colours.shape), 0, 255).astype(np.uint8))


def exif(orientation: int) -> bytes:
    """Notes of a camera that was held so."""
    notes = Image.Exif()
    notes[0x0112] = orientation
    notes[0x010F] = "A camera"
    return notes.tobytes()


@functools.cache
def good() -> dict[str, bytes]:
    """A good picture of each sort."""
    small = scene(64, 48)
    see_through = small.copy()
    see_through.putalpha(Image.linear_gradient("L").resize(small.size))
    frames = [small.rotate(angle) for angle in (30, 60)]
    animated = {"save_all": True, "append_images": frames}
    return {
        "baseline.jpg": encoded(small, "JPEG", quality=90),
        "progressive.jpg": encoded(small, "JPEG", progressive=True),
        "grey.jpg": encoded(small.convert("L"), "JPEG"),
        "cmyk.jpg": encoded(small.convert("CMYK"), "JPEG"),
        "turned.jpg": encoded(small, "JPEG", exif=exif(6), quality=95, subsampling=0),
        "colour.png": encoded(small, "PNG"),
        "palette.png": encoded(small.quantize(16), "PNG"),
        "alpha.png": encoded(see_through, "PNG", exif=exif(8)),
        "deep.png": encoded(Image.fromarray(np.arange(3072, dtype=np.uint16).reshape(48, 64) * 20), "PNG"),
        "animated.png": encoded(small, "PNG", **animated),
        "lossy.webp": encoded(small, "WEBP", quality=80),
        "lossless.webp": encoded(small, "WEBP", lossless=True, exif=exif(3)),
        "alpha.webp": encoded(see_through, "WEBP"),
        "animated.webp": encoded(small, "WEBP", **animated),
    }


def truncated() -> Iterator[Upload]:
    for name, data in good().items():
        for part in range(1, 16):
            yield f"{name} {part}/16", data[: len(data) * part // 16]


def fuzzed_heads() -> Iterator[Upload]:
    for name, data in good().items():
        for seed in range(24):
            rng = np.random.default_rng([1, seed, len(data)])
            changed = bytearray(data)
            for _ in range(1 + seed % 6):
                changed[int(rng.integers(0 if seed % 8 == 7 else 12, min(160, len(data))))] = int(
                    rng.choice([0, 1, 127, 128, 255, rng.integers(256)])
                )
            yield f"{name} {seed}", bytes(changed)


def fuzzed_bodies() -> Iterator[Upload]:
    for name, data in good().items():
        for seed in range(16):
            rng = np.random.default_rng([2, seed, len(data)])
            changed = bytearray(data)
            start = int(rng.integers(12, len(data) - 1))
            if seed % 4 == 0:  # a hole
                del changed[start : start + int(rng.integers(1, 64))]
            elif seed % 4 == 1:  # something twice
                changed[start:start] = changed[start : start + int(rng.integers(1, 512))]
            else:
                for _ in range(1 << seed % 8):
                    changed[int(rng.integers(12, len(data)))] = int(rng.integers(256))
            yield f"{name} {seed}", bytes(changed)


def random_bytes() -> Iterator[Upload]:
    yield "empty", b""
    heads = {"": b"", "jpg": b"\xff\xd8\xff", "png": PNG, "webp": b"RIFF\xff\xff\x00\x00WEBP", "ihdr": png(9, 9)[:33]}
    for kind, head in heads.items():
        for size in (1, 7, 64, 511, 512, 513, 4096, 65_535, 300_000):
            yield f"{kind} {size}", head + np.random.default_rng([3, size, len(head)]).bytes(size)
            yield f"{kind} {size} nulls", head + bytes(size)
            yield f"{kind} {size} ones", head + b"\xff" * size
    for kind, head in heads.items():
        for length in range(1, len(head)):
            yield f"{kind} head of {length}", head[:length]


def other_kinds() -> Iterator[Upload]:
    small = scene(64, 48)
    lol = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10 if i else "lol"}">' for i in range(10))
    texts = {
        "plain": "dear diary",
        "spaces": " \r\n\t" * 200,
        "svg": '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        "svg behind xml": '<?xml version="1.0"?>\n<!-- a -->\n<svg onload="alert(1)"/>',
        "svg of laughs": f'<?xml version="1.0"?><!DOCTYPE svg [{lol}]><svg>&l9;</svg>',
        "svg that reads files": '<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>',
        "comments without end": "<!---->" * 20_000,
        "html called .jpg": "<!DOCTYPE html><html><script>alert(document.cookie)</script></html>",
        "script": "<script>alert(1)</script>",
        "php": "<?php system($_GET['c']); ?>",
        "postscript": "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(/etc/passwd) run",
        "magick": "push graphic-context\nviewbox 0 0 640 480\nfill 'url(https://x.invalid/a|ls)'",
        "xpm": '/* XPM */ static char *a[] = {"99999 99999 1 1", "a c #000000"};',
        "json": "{" * 5000,
        "address": "http://169.254.169.254/latest/meta-data/",
        "path": "../../../../etc/passwd",
    }
    for name, text in texts.items():
        yield name, text.encode()
        yield f"{name} with a mark", b"\xef\xbb\xbf" + text.encode()
    yield "wide letters", texts["svg"].encode("utf-16")
    for kind in ("GIF", "BMP", "TIFF", "PPM", "ICO", "AVIF", "JPEG2000", "TGA", "PCX", "PDF"):
        yield kind, encoded(small, kind)
    for brand in (b"heic", b"mif1", b"avif", b"isom", b"qt  ", b"crx "):
        yield f"box {brand.decode()}", struct.pack(">I", 24) + b"ftyp" + brand + bytes(4) + brand + b"mif1" + bytes(64)
    for name, head in {
        "zip": b"PK\x03\x04",
        "gzip": b"\x1f\x8b\x08",
        "elf": b"\x7fELF",
        "exe": b"MZ",
        "sh": b"#!/bin/sh\n",
    }.items():
        yield name, head + bytes(200)
    yield (
        "gif of 65535",
        b"GIF89a\xff\xff\xff\xff\xf7\0\0" + bytes(768) + b",\0\0\0\0\xff\xff\xff\xff\0\x08" + b"\xff" * 64 + b";",
    )


def polyglots() -> Iterator[Upload]:
    web = b"<html><body onload=alert(1)><!--"
    tails = {
        "zip": b"PK\x03\x04" + bytes(40) + b"PK\x05\x06" + bytes(18),
        "html": web,
        "php": b"<?php phpinfo(); ?>",
        "pdf": b"%PDF-1.7\n%%EOF",
    }
    for name, data in good().items():
        for kind, tail in tails.items():
            yield f"{name} then {kind}", data + tail
        yield f"html then {name}", web + data
        yield f"pdf then {name}", b"%PDF-1.4\n" + data
        yield f"gif then {name}", b"GIF89a/*" + data + b"*/=1;"
    jpeg = good()["baseline.jpg"]
    yield "html in a comment", jpeg[:2] + segment(0xFE, web) + jpeg[2:]
    yield "html in a text chunk", png(9, 9, extra=chunk(b"tEXt", b"Comment\0" + web))
    yield "a picture in a picture", jpeg[:2] + segment(0xE1, b"Exif\0\0" + jpeg) + jpeg[2:]
    yield "two pictures", jpeg + good()["colour.png"]


def lying_sizes() -> Iterator[Upload]:
    for width, height in (
        *(
            (2**31 - 1, 2**31 - 1),
            (2**31, 1),
            (1, 2**31),
            (2**32 - 1, 2**32 - 1),
            (2**31 - 1, 1),
            (0, 0),
            (0, 9),
            (9, 0),
        ),
        *((100_001, 1), (1, 100_001), (100_000, 1), (50_000, 50_000), (4001, 4000), (65_536, 65_536)),
    ):
        for depth, colour in ((8, 0), (8, 2), (16, 6), (1, 3), (3, 7)):
            head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, depth % 2))
            yield (
                f"png {width} {height} {depth} {colour}",
                PNG + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + _IEND,
            )
    for width, height in (
        (65_535, 65_535),
        (50_000, 50_000),
        (65_500, 65_500),
        (1, 65_535),
        (0, 0),
        (0, 100),
        (100, 0),
        (20_000, 20_000),
    ):
        for name in ("baseline.jpg", "progressive.jpg", "cmyk.jpg"):
            yield f"{name} {width} {height}", resized(good()[name], width, height)
    for name in ("lossy.webp", "lossless.webp", "alpha.webp", "animated.webp"):
        data = good()[name]
        for size in (bytes(6), b"\xff" * 6, b"\x00\x40\x00" * 2, b"\x4f\xc3\x00" * 2):
            at = data.find(b"VP8X")
            yield (
                f"{name} {size.hex()}",
                data[: at + 12] + size + data[at + 18 :] if at > 0 else data[:23] + size + data[29:],
            )
    yield (
        "50k × 50k in 50 kB",
        PNG
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 50_000, 50_000, 1, 0, 0, 0, 0))
        + chunk(b"IDAT", zeros(50_000 * 6251))
        + _IEND,
    )
    yield (
        "4000 × 4000, bits",
        PNG
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 4000, 4000, 1, 0, 0, 0, 0))
        + chunk(b"IDAT", zeros(4000 * 501))
        + _IEND,
    )
    for width, height in ((50_000, 50_000), (44_700, 44_700), (50_000, 20_000), (65_500, 8000), (8000, 65_500)):
        yield f"jpeg {width} × {height}, whole", thin(width, height)


def frame_bombs() -> Iterator[Upload]:
    yield (
        "gif",
        b"GIF89a\x10\x27\x10\x27\x80\0\0\0\0\0\xff\xff\xff"
        + (b"\x21\xf9\4\0\0\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0" * 50_000)
        + b";",
    )
    plain = png(64, 48)
    control = lambda number: chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, 64, 48, 0, 0, 0, 1, 0, 0))  # noqa: E731
    data = zlib.compress(bytes(48 * 65), 9)
    for count in (2, 1000, 60_000):
        told = chunk(b"acTL", struct.pack(">II", count, 0))
        body = b"".join(control(2 * n + 1) + chunk(b"fdAT", struct.pack(">I", 2 * n + 2) + data) for n in range(count))
        yield f"apng {count}", plain[:33] + told + control(0) + plain[33:-12] + body + _IEND
    for count in (0, 2**31 - 1, 2**32 - 1):
        yield f"apng says {count}", plain[:33] + chunk(b"acTL", struct.pack(">II", count, 0)) + control(0) + plain[33:]
    yield "apng of fcTL", plain[:33] + chunk(b"acTL", struct.pack(">II", 9, 0)) + control(0) * 200_000 + plain[33:]
    still = good()["lossy.webp"][12:]
    for count, size in ((2, 64), (5000, 64), (20_000, 64), (100, 16_384), (3, 2**24)):
        frame = bytes(6) + three(63) + three(47) + three(1) + b"\0" + still
        yield f"webp {count} {size}", webp(vp8x(2, size, size) + part(b"ANIM", bytes(6)) + part(b"ANMF", frame) * count)
    frame = three(2**23) + three(2**23) + three(63) + three(47) + three(1) + b"\0" + still
    yield "webp, frame far off", webp(vp8x(2, 64, 48) + part(b"ANIM", bytes(6)) + part(b"ANMF", frame))


def notes_of_jpeg() -> Iterator[Upload]:
    data = good()["baseline.jpg"]
    put = lambda notes: data[:2] + notes + data[2:]  # noqa: E731
    full = bytes(65_533)
    yield "comments, 10 MB", put(segment(0xFE, full) * 160)
    yield "comments, 100,000", put(segment(0xFE, b"") * 100_000)
    yield "fill, 10 MB", put(b"\xff" * 10_000_000)
    yield (
        "profile, 255 parts",
        put(b"".join(segment(0xE2, b"ICC_PROFILE\0" + bytes([n, 255]) + full[:65_000]) for n in range(1, 256))),
    )
    yield "profile, parts missing", put(segment(0xE2, b"ICC_PROFILE\0\7\377" + full[:100]) * 20)
    yield "profile, 1 MB of nothing", put(segment(0xE2, b"ICC_PROFILE\0\1\1" + full[:65_000]))
    yield "exif, 100 parts", put(segment(0xE1, b"Exif\0\0" + full[:65_000]) * 100)
    yield "exif, 60 parts", put(segment(0xE1, b"Exif\0\0MM\0*" + full[:65_000]) * 60)
    yield "xmp, 100 parts", put(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + b"<x>" * 20_000) * 100)
    yield (
        "photoshop, 100 parts",
        put(segment(0xED, b"Photoshop 3.0\0" + b"8BIM\4\4\0\0\xff\xff\xff\xff" + full[:60_000]) * 100),
    )
    yield "pictures in pictures", put(segment(0xE2, b"MPF\0MM\0*\0\0\0\x08" + struct.pack(">H", 9) + b"\xff" * 200))
    for name, body in exif_bombs().items():
        yield name, put(segment(0xE1, b"Exif\0\0" + body))


def exif_bombs() -> dict[str, bytes]:
    entry = lambda tag, kind, count, value: struct.pack(">HHII", tag, kind, count, value)  # noqa: E731
    head = b"MM\0*\0\0\0\x08"
    return {
        "exif loop": head + struct.pack(">H", 1) + entry(0x8769, 4, 1, 8) + struct.pack(">I", 8),
        "exif, 5000 entries": head + struct.pack(">H", 5000) + entry(0x0112, 3, 1, 6 << 16) * 5000,
        "exif, 65535 entries": head + struct.pack(">H", 65_535) + entry(0x010E, 2, 2**32 - 1, 8) * 5000,
        "exif, long value": head + struct.pack(">H", 1) + entry(0x010E, 2, 2**31, 8) + bytes(4),
        "exif, fractions by 0": head
        + struct.pack(">H", 2)
        + entry(0x0112, 5, 1, 8)
        + entry(0x011A, 5, 2**28, 8)
        + bytes(4),
        "exif, turned 9": head + struct.pack(">H", 1) + entry(0x0112, 3, 1, 9 << 16) + bytes(4),
        "exif, turned by text": head + struct.pack(">H", 1) + entry(0x0112, 2, 4, 0x41424344) + bytes(4),
        "exif, no order": b"XX\0*" + bytes(60),
        "exif, nothing": b"",
    }


def notes_of_png() -> Iterator[Upload]:
    zipped = zlib.compress(bytes(64 * 2**20), 9)
    bombs = {
        "text, 8 MB": chunk(b"tEXt", b"Comment\0" + b"a" * 8_000_000),
        "text, 19 MB": chunk(b"tEXt", b"Comment\0" + b"a" * 19_000_000),
        "text, 900 times": chunk(b"tEXt", b"Comment\0" + b"a" * 20_000) * 900,
        "text, 100,000 times": chunk(b"tEXt", b"C\0a") * 100_000,
        "zipped text": chunk(b"zTXt", b"Comment\0\0" + zipped),
        "zipped text, 200 times": chunk(b"zTXt", b"Comment\0\0" + zipped) * 200,
        "zipped text, just allowed, 900 times": chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2**20 - 1), 9))
        * 900,
        "zipped letters": chunk(b"iTXt", b"Comment\0\1\0\0\0" + zipped),
        "profile": chunk(b"iCCP", b"icc\0\0" + zipped),
        "profile, 50 times": chunk(b"iCCP", b"icc\0\0" + zipped) * 50,
        "profile, noise": chunk(b"iCCP", b"icc\0\0" + zlib.compress(np.random.default_rng(5).bytes(10**6))),
        "profile, not zipped": chunk(b"iCCP", b"icc\0\0" + b"a" * 100_000),
        "profile without a name": chunk(b"iCCP", b"a" * 200),
        "exif, 3 MB": chunk(b"eXIf", b"MM\0*\0\0\0\x08" + bytes(3_000_000)),
        "exif, 8 MB": chunk(b"eXIf", b"MM\0*\0\0\0\x08" + bytes(8_000_000)),
        "unknown, 19 MB": chunk(b"prVt", bytes(19_000_000)),
        "nothing, 400,000 times": chunk(b"prVt", b"") * 400_000,
        "xmp": chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + b"<a>" * 500_000),
        "old camera notes": chunk(
            b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n 99999999\n" + b"4d4d" * 200_000)
        ),
        **{name: chunk(b"eXIf", body) for name, body in exif_bombs().items()},
    }
    for name, notes in bombs.items():
        made = png(9, 9, extra=notes)
        yield name, made
        yield f"{name}, behind the pixels", png(9, 9)[:-12] + notes + _IEND


def notes_of_webp() -> Iterator[Upload]:
    still = good()["lossy.webp"][12:]
    for name, body in {
        **exif_bombs(),
        "3 MB": bytes(3_000_000),
        "8 MB": bytes(8_000_000),
        "19 MB": bytes(19_000_000),
    }.items():
        for kind, flag in ((b"EXIF", 8), (b"XMP ", 4), (b"ICCP", 32)):
            yield f"{kind.decode()} {name}", webp(vp8x(flag, 64, 48) + part(kind, body) + still)
    yield "90,000 parts", webp(vp8x(0, 64, 48) + part(b"abcd", b"") * 90_000 + still)
    yield "300,000 parts", webp(vp8x(0, 64, 48) + part(b"abcd", b"") * 300_000 + still)


def broken_png() -> Iterator[Upload]:
    data = good()["palette.png"]
    at = 8
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        end = at + 12 + length
        name = data[at + 4 : at + 8].decode()
        yield f"{name} with a wrong sum", data[: end - 4] + bytes(4) + data[end:]
        yield f"no {name}", data[:at] + data[end:]
        yield f"{name} twice", data[:end] + data[at:]
        yield f"{name} in small letters", data[: at + 4] + name.lower().encode() + data[at + 8 :]
        for lie in (0, length + 1, 2**31 - 1, 2**31, 2**32 - 1):
            yield f"{name} of {lie}", data[:at] + struct.pack(">I", lie) + data[at + 4 :]
        at = end
    head = lambda *values: chunk(b"IHDR", struct.pack(">IIBBBBB", *values))  # noqa: E731
    pixels = lambda body: chunk(b"IDAT", body)  # noqa: E731
    yield "100 MB in one pixel", PNG + head(1, 1, 8, 0, 0, 0, 0) + pixels(zeros(100_000_000)) + _IEND
    yield "19 MB for one pixel", PNG + head(1, 1, 8, 0, 0, 0, 0) + pixels(bytes(19_000_000)) + _IEND
    yield "pixels in 100,000 parts", PNG + head(9, 9, 8, 0, 0, 0, 0) + pixels(b"") * 100_000 + pixels(zeros(90)) + _IEND
    yield (
        "pixels byte by byte",
        PNG + head(900, 900, 8, 0, 0, 0, 0) + b"".join(pixels(bytes([b])) for b in zeros(900 * 901)) + _IEND,
    )
    yield "a dictionary for zlib", PNG + head(9, 9, 8, 0, 0, 0, 0) + pixels(b"\x78\xbb" + bytes(40)) + _IEND
    yield "no zlib", PNG + head(9, 9, 8, 0, 0, 0, 0) + pixels(b"hello" * 40) + _IEND
    for kind in (5, 255):
        yield (
            f"filter {kind}",
            PNG + head(9, 9, 8, 0, 0, 0, 0) + pixels(zlib.compress(bytes([kind, *bytes(9)]) * 9)) + _IEND,
        )
    for values in (
        (9, 9, 8, 0, 1, 0, 0),
        (9, 9, 8, 0, 0, 1, 0),
        (9, 9, 8, 0, 0, 0, 2),
        (9, 9, 8, 1, 0, 0, 0),
        (9, 9, 32, 2, 0, 0, 0),
    ):
        yield f"head {values}", PNG + head(*values) + pixels(zeros(90)) + _IEND
    for size in (1, 2, 767, 769, 30_000):
        yield (
            f"palette of {size}",
            PNG + head(9, 9, 8, 3, 0, 0, 0) + chunk(b"PLTE", bytes(size)) + pixels(zlib.compress(b"\xff" * 90)) + _IEND,
        )
        yield (
            f"transparency of {size}",
            PNG + head(9, 9, 8, 2, 0, 0, 0) + chunk(b"tRNS", bytes(size)) + pixels(zeros(9 * 28)) + _IEND,
        )


def broken_jpeg() -> Iterator[Upload]:
    data = good()["baseline.jpg"]
    starts = [at for at, (a, b) in enumerate(pairwise(data)) if a == 0xFF and b in (0xC0, 0xC4, 0xDB, 0xDA, 0xE0)]
    for at in starts:
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        name = f"{data[at + 1]:x} at {at}"
        yield f"no {name}", data[:at] + data[at + 2 + length :]
        yield f"100 times {name}", data[:at] + data[at : at + 2 + length] * 100 + data[at + 2 + length :]
        for lie in (0, 1, 2, 65_535):
            yield f"{name} of {lie}", data[: at + 2] + struct.pack(">H", lie) + data[at + 4 :]
        yield f"{name} of ones", data[: at + 4] + b"\xff" * (length - 2) + data[at + 2 + length :]
        yield f"{name} of nulls", data[: at + 4] + bytes(length - 2) + data[at + 2 + length :]
    at = data.index(b"\xff\xc0")
    for marker in (*range(0xC1, 0xD0), 0xF7):
        yield f"frame {marker:x}", data[: at + 1] + bytes([marker]) + data[at + 2 :]
    for depth in (0, 1, 12, 16, 255):
        yield f"{depth} bits", data[: at + 4] + bytes([depth]) + data[at + 5 :]
    for count in (0, 2, 4, 255):
        yield f"{count} colours", data[: at + 9] + bytes([count]) + data[at + 10 :]
    for factor in (0, 0x14, 0x41, 0x44, 0xFF):
        yield f"sampled by {factor:x}", data[: at + 11] + bytes([factor]) + data[at + 12 :]
    scan, end = scans_of(data)[0][0], scans_of(data)[1]
    yield "restarts, 2 MB", data[:end] + b"\xff\xd0" * 1_000_000 + data[end:]
    yield "fill, 5 MB", data[:end] + b"\xff" * 5_000_000 + data[end:]
    yield "behind the end, 19 MB", data + bytes(19_000_000)
    yield "100,000 starts", b"\xff\xd8" * 100_000 + data[2:]
    yield "restart interval of 1", data[:scan] + segment(0xDD, b"\0\1") + data[scan:]
    yield "number of lines later", resized(data, 64, 0)[:end] + segment(0xDC, b"\xff\xff") + data[end:]


def broken_webp() -> Iterator[Upload]:
    for name in ("lossy.webp", "lossless.webp", "alpha.webp", "animated.webp"):
        data = good()[name]
        for lie in (0, 4, len(data) - 9, 2**31, 2**32 - 1):
            yield f"{name} of {lie}", data[:4] + struct.pack("<I", lie) + data[8:]
            yield f"{name}, first part of {lie}", data[:16] + struct.pack("<I", lie) + data[20:]
        for kind in (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANMF", b"\0\0\0\0"):
            yield f"{name} as {kind!r}", data[:12] + kind + data[16:]
        yield f"{name}, 100 times", webp(data[12:] * 100)
    alpha = b"\1" + np.random.default_rng(6).bytes(500)
    lossy = good()["lossy.webp"][12:]
    yield "broken alpha", webp(vp8x(16, 64, 48) + part(b"ALPH", alpha) + lossy)
    yield "alpha alone", webp(vp8x(16, 64, 48) + part(b"ALPH", alpha))
    yield "no parts", webp(b"")
    yield "no pictures", webp(vp8x(2, 64, 48) + part(b"ANIM", bytes(6)))
    yield "16384 × 16384 of nothing", webp(part(b"VP8L", b"\x2f" + struct.pack("<I", 0x0FFFFFFF) + bytes(16)))
    yield (
        "16384 × 16384 of noise",
        webp(part(b"VP8L", b"\x2f" + struct.pack("<I", 0x0FFFFFFF) + np.random.default_rng(7).bytes(9000))),
    )
    yield "4000 × 4000 of nothing", webp(part(b"VP8L", b"\x2f" + struct.pack("<I", 3999 | 3999 << 14) + bytes(4000)))


def many_scans() -> Iterator[Upload]:
    for side, scans in ((64, 80), (64, 5000), (1000, 85), (2000, 80), (4000, 80), (4000, 101)):
        yield f"progressive {side} {scans}", progressive(side, scans)
        yield f"one by one {side} {scans}", one_by_one(side, scans)


def heavy() -> Iterator[Upload]:
    """Good pictures that cost about as much as one may, or a little more."""
    large = scene(1000, 1000).resize((4000, 4000))
    yield "4000 × 4000 jpeg", encoded(large, "JPEG", quality=90)
    yield "4000 × 4000 progressive, full colour", encoded(large, "JPEG", quality=90, progressive=True, subsampling=0)
    yield "4000 × 4000 turned", encoded(large, "JPEG", exif=exif(5))
    yield "8000 × 6000 jpeg", encoded(large.resize((8000, 6000)), "JPEG", quality=80)
    yield "8000 × 6000 progressive", encoded(large.resize((8000, 6000)), "JPEG", quality=80, progressive=True)
    yield (
        "12,000 × 9,000 progressive",
        encoded(Image.new("RGB", (12_000, 9_000), (30, 90, 200)), "JPEG", progressive=True),
    )
    yield "4000 × 4000 png", encoded(large.quantize(64).convert("RGB"), "PNG", compress_level=1)
    yield (
        "4000 × 4000 png with alpha",
        encoded(Image.new("RGBA", (4000, 4000), (9, 90, 200, 128)), "PNG", compress_level=1, exif=exif(7)),
    )
    yield (
        "4000 × 4000 deep grey",
        encoded(Image.fromarray(np.full((4000, 4000), 3000, np.uint16)), "PNG", compress_level=1),
    )
    yield "4000 × 4000 webp", encoded(large, "WEBP", quality=60, method=0)
    yield (
        "4000 × 4000 lossless webp",
        encoded(large.quantize(64).convert("RGB"), "WEBP", lossless=True, method=0, quality=0),
    )
    yield "100,000 × 160 png", png(100_000, 160)
    yield "1 × 65,500 jpeg", thin(1, 65_500)


def too_large() -> Iterator[Upload]:
    yield "a byte too much", good()["baseline.jpg"] + bytes(MOST)


def segment(marker: int, body: bytes) -> bytes:
    """A part of a JPEG."""
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def part(kind: bytes, body: bytes) -> bytes:
    """A part of a WebP."""
    return kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def webp(body: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def vp8x(flags: int, width: int, height: int) -> bytes:
    return part(b"VP8X", struct.pack("<I", flags) + three(width - 1) + three(height - 1))


def three(value: int) -> bytes:
    return value.to_bytes(3, "little")


@functools.cache
def zeros(count: int) -> bytes:
    """So many, compressed, without ever holding them."""
    made, out, block = zlib.compressobj(9), io.BytesIO(), bytes(2**20)
    for start in range(0, count, 2**20):
        out.write(made.compress(block[: min(2**20, count - start)]))
    out.write(made.flush())
    return out.getvalue()


def resized(data: bytes, width: int, height: int) -> bytes:
    """A JPEG that says it is of another size."""
    at = next(at for at in range(len(data)) if data[at : at + 2] in (b"\xff\xc0", b"\xff\xc2"))
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


def thin(width: int, height: int) -> bytes:
    """A whole grey JPEG in two bits a block: both of its codes are a single 0."""
    table = b"\1" + bytes(15) + b"\0"
    blocks = -(-width // 8) * -(-height // 8)
    head = segment(0xDB, b"\0" + b"\1" * 64) + segment(
        0xC0, b"\x08" + struct.pack(">HH", height, width) + b"\1\1\x11\0"
    )
    codes = segment(0xC4, b"\0" + table) + segment(0xC4, b"\x10" + table)
    return b"\xff\xd8" + head + codes + segment(0xDA, b"\1\1\0\0\x3f\0") + bytes(-(-blocks // 4)) + b"\xff\xd9"
