"""Memory counts pixels: the largest pictures that are read, one after another, stay within a stated amount."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="resident memory in kilobytes, as Linux counts it")

# Bytes, of which PyTorch's libraries are 700 to 800 MB, by how much of their files the system maps at a time; those before 2.12
# take more, and so do their kernels.
MOST = 1_600_000_000 if tuple(map(int, torch.__version__.split(".")[:2])) >= (2, 12) else 1_650_000_000
SIDE = 10_000  # pixels
MEASURED = """
import resource, subprocess, sys
code = subprocess.run([sys.executable, "-m", "whylight", *sys.argv[1:]]).returncode
print(1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory, photo: Path) -> Path:
    """Three pictures of 100 megapixels in files of a few hundred kilobytes, with a face of a large part of them."""
    folder = tmp_path_factory.mktemp("large") / "photos"
    (folder / "face").mkdir(parents=True)
    whole = Image.new("RGB", (SIDE, SIDE), (90, 110, 130))
    with Image.open(photo) as picture:
        whole.paste(picture.convert("RGB").resize((5000, 5000), Image.Resampling.NEAREST), (2500, 2500))
    for name in "abc":
        whole.save(folder / "face" / f"{name}.png", compress_level=1)
    return folder


FIRST = ("explain PHOTOS --model face --save-map --out out",)
MORE = (  # half a minute each
    "locate PHOTOS --model face --target face --sequential --out out",
    "face PHOTOS --out out",
    "explain PHOTOS --model face --style panel --out out",
    "explain PHOTOS --model face --format pdf --out out",
    "locate PHOTOS --model face --target face --fast --out out",
    "evaluate faithfulness --data PHOTOS --model face --methods gradcam --measures deletion --out out",
    "evaluate sanity --data PHOTOS --model face --methods gradcam --out out",
)


@pytest.mark.parametrize("words", [*FIRST, *(pytest.param(one, marks=pytest.mark.long) for one in MORE)])
def test_large_pictures_stay_within(words: str, large: Path, tmp_path: Path) -> None:
    given = [word.replace("PHOTOS", str(large)) for word in words.split()]
    # In between stands a small process: a child of this one would begin with this one's memory as its peak.
    ran = subprocess.run([sys.executable, "-c", MEASURED, *given], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout.split()[-1]) <= MOST
