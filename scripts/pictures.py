"""The pictures in README.md and the guides: docs/assets/*.jpg, one each of what the verbs make. `make picture` runs it.

    python scripts/pictures.py [NAME…]

All are of examples/astronaut.jpg, a NASA photograph, by the two bundled models.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

import whylight
from whylight.live import VideoFile, open_source
from whylight.render import strip

ROOT = Path(__file__).resolve().parent.parent
PICTURE, ASSETS = ROOT / "examples" / "astronaut.jpg", ROOT / "docs" / "assets"
MOST = 150_000  # bytes
BASELINES = ("centred blob", "random 7 × 7 map")


def explained() -> Image.Image:
    """The panel of one explanation."""
    found: Image.Image = whylight.explain(whylight.load("face"), PICTURE, target="face").panel()
    return found


def located(folder: Path) -> Image.Image:
    """The photograph with the box that was found."""
    run("locate", PICTURE, "--model", "face", "--target", "face", "--out", folder)
    return Image.open(folder / "astronaut.boxes.png")


def faced(folder: Path) -> Image.Image:
    """The card of the face."""
    run("face", PICTURE, "--out", folder)
    return Image.open(folder / "astronaut.face1.card.png")


def evaluated(folder: Path) -> Image.Image:
    """How fast the score falls while the hottest pixels go: three methods, and two that know nothing."""
    run(
        *("evaluate", "faithfulness", "--data", PICTURE.parent, "--model", "face", "--label", "face"),
        *("--methods", "gradcam,layercam,saliency", "--measures", "deletion", "--steps", "48", "--out", folder),
    )
    curves = json.loads((folder / "results.json").read_text(encoding="utf-8"))["curves"]
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), dpi=110, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    for curve in curves:
        chance = curve["name"] in BASELINES
        axes.plot(
            [100 * x for x in curve["x"]],
            curve["y"],
            label=curve["name"],
            lw=1.6 if chance else 2.4,
            ls="--" if chance else "-",
            color={BASELINES[0]: "#8a8a93", BASELINES[1]: "#b0a79a"}.get(curve["name"]),
        )
    axes.set(xlim=(0, 100), ylim=(0, 1.02), ylabel="probability of “face”")
    axes.set_xlabel("hottest pixels of the map that were taken away, %")
    axes.set_title("Without the pixels that these maps mark, the model sees no face any more", loc="left", fontsize=12)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    canvas.draw()
    return Image.frombuffer("RGBA", canvas.get_width_height(), bytes(canvas.buffer_rgba()))


def side_by_side() -> Image.Image:
    """Two models and three methods in a grid."""
    methods = ["gradcam", "layercam", "occlusion"]
    found = {name: whylight.explain(whylight.load(name), PICTURE, methods=methods) for name in ("face", "person")}
    drawn: Image.Image = whylight.grid(found)
    return drawn


def lived(folder: Path) -> Image.Image:
    """Five frames of a video: a camera that goes over the photograph, from the spaceship to the face and on."""
    seconds, rate, (width, height) = 4.0, 12, (320, 240)
    folder.mkdir()
    with Image.open(PICTURE) as opened, VideoFile(folder / "pan.mp4", rate=rate) as out:
        photograph = opened.convert("RGB").resize((640, 640), Image.Resampling.LANCZOS)
        for number in range(round(seconds * rate)):
            part = number / (seconds * rate - 1)
            x, y = round((640 - width) * (1 - part)), round((640 - height) * max(0.0, 0.7 - 1.1 * part))
            out.write(np.asarray(photograph.crop((x, y, x + width, y + height))), number / rate)
    run("live", folder / "pan.mp4", "--model", "face", "--target", "face", "--out", folder / "seen.mp4")
    with open_source(folder / "seen.mp4") as source:
        frames = [(Image.fromarray(one.pixels), one.time) for one in source]
    chosen = [frames[round(place * (len(frames) - 1) / 4)] for place in range(5)]
    return strip([one for one, _ in chosen], [f"{time:.1f} s" for _, time in chosen], height=240, columns=5)


def run(*words: object) -> None:
    """One command of whylight."""
    subprocess.run([sys.executable, "-m", "whylight", *map(str, words)], check=True, stdout=subprocess.DEVNULL)


MADE: dict[str, Callable[[Path], Image.Image]] = {
    "explain": lambda _: explained(),
    "locate": located,
    "face": faced,
    "evaluate": evaluated,
    "grid": lambda _: side_by_side(),
    "live": lived,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these, of {', '.join(MADE)}; default: all")
    names = parser.parse_args().names
    if unknown := set(names) - set(MADE):
        parser.error(f"there is no picture called {', '.join(sorted(unknown))}; there are {', '.join(MADE)}")
    for name in names or MADE:
        with tempfile.TemporaryDirectory() as folder:
            data = small(MADE[name](Path(folder) / "out").convert("RGB"))
        (ASSETS / f"{name}.jpg").write_bytes(data)
        print(f"docs/assets/{name}.jpg: {len(data) / 1000:.0f} kB", flush=True)


def small(picture: Image.Image) -> bytes:
    """The picture as a JPEG file of at most `MOST` bytes."""
    for quality in range(90, 40, -5):
        file = BytesIO()
        picture.save(file, "JPEG", quality=quality, optimize=True)
        if file.tell() <= MOST:
            break
    return file.getvalue()


if __name__ == "__main__":
    main()
