"""Every method on one real picture: docs/assets/methods/*.jpg and docs/gallery.md. `make gallery` runs it.

    python scripts/gallery.py [NAME…] [--vit FILE]

The picture is examples/astronaut.jpg, the model the bundled `face`. Methods that read attention need a vision transformer: the
small one of recipes/face/vit.sh, unless --vit names another. It knows close-ups alone, so it is shown the head.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

import whylight
from whylight import methods
from whylight.methods import Method

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "examples" / "astronaut.jpg"
PAGES, ASSETS = ROOT / "docs" / "methods", ROOT / "docs" / "assets" / "methods"
WIDTH, MOST = 320, 40_000  # pixels, bytes
COLUMNS = 3
VIT = ROOT / "recipes" / "face" / "vit.safetensors"
HEAD = (120, 0, 300, 210)  # left, top, right, bottom, pixels of the picture
LAYERS = ("features.6", "features.13", "features.18")

GROUPS: dict[str, tuple[str, ...]] = {
    "Activations and gradients": (
        *("gradcam", "gradcam++", "hirescam", "layercam", "xgradcam", "elementgradcam", "cam", "ablationcam"),
        *("shapleycam", "finercam", "smoothgradcam++", "augmented-gradcam"),
    ),
    "Activations alone, or mainly": ("eigencam", "eigengradcam", "kpcacam", "fem", "dff"),
    "Hiding parts of the picture": ("rise", "scorecam", "occlusion"),
    "Gradients down to the pixels": (
        *("saliency", "smoothgrad", "inputxgradient", "integrated-gradients", "guided-gradcam", "fullgrad"),
    ),
    "Attention of transformers": ("legrad", "rollout"),
    "Around any method": ("layers", "tta", "smooth", "spread", "refine", "concepts"),
}
WRAPPED: dict[str, Callable[[], Method]] = {
    "layers": lambda: methods.layers("layercam", LAYERS),
    "tta": lambda: methods.tta("gradcam", scales=(1.0, 1.5)),
    "smooth": lambda: methods.smooth("gradcam"),
    "spread": lambda: methods.spread("layercam", LAYERS[-2]),
    "refine": lambda: methods.refine("layercam"),
}
ATTENTION = GROUPS["Attention of transformers"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="only these; default: all")
    parser.add_argument(
        "--vit", metavar="FILE", default=VIT, help="a vision transformer: run folder, .safetensors file, zoo name"
    )
    options = parser.parse_args()
    every = [name for group in GROUPS.values() for name in group]
    if missing := set(methods.names()) - set(every):
        print(f"gallery: no place for {', '.join(sorted(missing))}", file=sys.stderr)
        return 1
    ASSETS.mkdir(parents=True, exist_ok=True)
    face = whylight.load("face")
    vit = whylight.load(options.vit)
    for name in options.names or every:
        model = vit if name in ATTENTION else face
        start = time.perf_counter()
        size = save(overlay(model, name), ASSETS / f"{name}.jpg")
        print(f"{name}: {time.perf_counter() - start:.1f} s, {size / 1000:.0f} kB", flush=True)
    (ROOT / "docs" / "gallery.md").write_text(page(), encoding="utf-8")
    return 0


def overlay(model: whylight.Model, name: str) -> Image.Image:
    """The picture with one method's map over it."""
    if name == "concepts":
        found = whylight.concepts(model, PICTURE)
        assert isinstance(found, whylight.Concepts)
        return found.overlay()
    if name in ATTENTION:
        with Image.open(PICTURE) as picture:
            head = picture.convert("RGB").crop(HEAD)
        drawn: Image.Image = whylight.explain(model, head, method=name, target="face").overlay()
        return drawn
    method = WRAPPED[name]() if name in WRAPPED else methods.get(name)
    shown: Image.Image = whylight.explain(model, PICTURE, method=method).overlay()
    return shown


def save(picture: Image.Image, path: Path) -> int:
    """Write a small JPEG file, and return its size in bytes."""
    picture = picture.resize((WIDTH, round(WIDTH * picture.height / picture.width)), Image.Resampling.LANCZOS)
    for quality in range(88, 40, -4):
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality, optimize=True)
        if file.tell() <= MOST:
            break
    path.write_bytes(file.getvalue())
    return file.tell()


def summary(name: str) -> str:
    """What a method shows, in a sentence: the first paragraph of its page."""
    lines = (PAGES / f"{name}.md").read_text(encoding="utf-8").split("\n\n")
    return lines[1].replace("\n", " ")


def page() -> str:
    """docs/gallery.md: all pictures, with a line each."""
    about = (
        "Every method on one photograph, for the class `face` of the bundled model: a MobileNetV2 that was trained without a "
        "single box, looked at on a 14 × 14 grid. Options are the defaults. Made by `make gallery`."
    )
    attention = (
        "A transformer has to draw these: timm's `test_vit`, trained from chance by `recipes/face/vit.sh` on the pictures of the "
        "bundled model, on a 12 × 12 grid. It is small and no good model (84 % balanced accuracy on held-out pictures, the "
        "bundled one 99.85 %). It is shown the head alone; in the whole photograph its maps lie on the orange suit."
    )
    parts = [
        "# Gallery",
        about,
        "One picture shows what a method's maps look like. It does not show which method to trust.",
    ]
    for group, names in GROUPS.items():
        parts += [f"## {group}", *([attention] if names == ATTENTION else []), shelf(names)]
    return "\n\n".join(parts) + "\n"


def shelf(names: Sequence[str]) -> str:
    """Pictures side by side, all of one width: a table that only lays out, since Markdown's would have a header and no widths."""
    cells = [cell(name) for name in names]
    rows = ["\n".join(cells[i : i + COLUMNS]) for i in range(0, len(cells), COLUMNS)]
    return "\n".join(
        [
            '<table class="gallery" role="presentation" markdown="1">',
            *(f'<tr markdown="1">\n{row}\n</tr>' for row in rows),
            "</table>",
        ]
    )


def cell(name: str) -> str:
    alt = f"The map of {name} over a photograph of an astronaut"
    picture = f"![{alt}](assets/methods/{name}.jpg)\n\n" if (ASSETS / f"{name}.jpg").exists() else ""
    width = f"{100 // COLUMNS}%"
    text = f"{picture}[**{name}**](methods/{name}.md)<br>\n{summary(name)}"
    return f'<td width="{width}" valign="top" markdown="1">\n\n{text}\n\n</td>'


if __name__ == "__main__":
    sys.exit(main())
