"""The frame that maps are read in: laid on a face or a picture, turned, masked, shared out by part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from whylight.cells import WHOLE
from whylight.faces.detectors.haar import HaarDetector
from whylight.images.preprocess import Region
from whylight.subgroups.looking.frame import NONE, PARTS, SIDE, Frame, evidence_in, of_face, of_picture, onto_input


def test_a_face_is_laid_on_its_eyes(photo: Path) -> None:
    picture = Image.open(photo).convert("RGB")
    frame = of_face(picture, HaarDetector(turns=()))
    assert frame is not None
    assert frame.labels is not None
    coarse = frame.coarse
    assert coarse.shape == (SIDE, SIDE)
    for part in ("eyes", "nose", "mouth", "hair", "background"):
        assert (coarse == list(PARTS).index(part)).any(), part
    down, across = np.nonzero(coarse == list(PARTS).index("mouth"))
    x, y = frame.matrix @ (across.mean() + 0.5, down.mean() + 0.5, 1)
    assert 180 < x < 270  # the astronaut's mouth
    assert 130 < y < 190
    turned = of_face(picture.rotate(20, fillcolor=(128, 128, 128)), HaarDetector(turns=()))
    if turned is not None and turned.aligned == "eyes":
        mouth = turned.matrix @ (SIDE / 2, 0.62 * SIDE, 1)
        assert np.hypot(*(mouth - frame.matrix @ (SIDE / 2, 0.62 * SIDE, 1))) > 5
    assert of_face(Image.new("RGB", (64, 64)), HaarDetector(turns=())) is None


def test_shares_by_part_are_those_of_the_evidence() -> None:
    """A frame over the upper left quarter of a picture, whose left half is one part and right half another."""
    labels = np.zeros((2 * SIDE, 2 * SIDE), np.uint8)
    labels[:, SIDE:] = 1
    frame = Frame(np.array([[50 / SIDE, 0, 0], [0, 50 / SIDE, 0]]), labels, "eyes")
    whole = Region(0, 0, 100, 100)
    even = evidence_in(frame, torch.ones(4, 4), whole, WHOLE, (100, 100))
    assert even.shares is not None
    told = dict(zip(PARTS, even.shares, strict=True))
    assert told["eyes"] == pytest.approx(0.125)
    assert told["eyebrows"] == pytest.approx(0.125)
    assert told["background"] == pytest.approx(0.75)  # beyond the frame
    assert even.inside == pytest.approx(0.25)
    left = torch.zeros(100, 100)
    left[:50, :25] = 2
    left[60:, 60:] = -5  # no evidence at all
    one = evidence_in(frame, left, whole, WHOLE, (100, 100))
    assert one.shares is not None
    assert one.shares[0] == pytest.approx(1, abs=0.02)
    assert evidence_in(frame, torch.zeros(4, 4), whole, WHOLE, (100, 100)).shares is None
    half = evidence_in(frame, torch.ones(1, 1), Region(0, 0, 100, 25), WHOLE, (100, 100))
    assert half.map[: SIDE // 2 - 1].min() > 0
    assert half.map[SIDE // 2 + 1 :].max() == 0  # the network did not look there


def test_a_turned_frame_reads_the_map_where_it_lies() -> None:
    raw = torch.zeros(20, 20)
    raw[4, 15] = 1.0  # at pixel (77.5, 22.5) of 100
    angle = np.radians(30)
    turn = 2 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = np.array([70.0, 30.0])
    matrix = np.column_stack([turn, centre - turn @ (SIDE / 2, SIDE / 2)])
    made = evidence_in(Frame(matrix, None, "eyes"), raw, Region(0, 0, 100, 100), WHOLE, (100, 100))
    y, x = np.unravel_index(made.map.argmax(), made.map.shape)
    assert np.allclose(matrix @ (x + 0.5, y + 0.5, 1), (77.5, 22.5), atol=2)
    mask = np.zeros((SIDE, SIDE), bool)
    mask[y, x] = True
    rows, columns = np.nonzero(onto_input(mask, matrix, Region(0, 0, 100, 100), (200, 200)))
    assert (columns.mean() / 2, rows.mean() / 2) == (pytest.approx(77.5, abs=2), pytest.approx(22.5, abs=2))


def test_masks_lie_on_the_input_as_the_network_sees_it() -> None:
    frame = of_picture((200, 100))
    mask = np.zeros((SIDE, SIDE), bool)
    mask[:, : SIDE // 2] = True  # the left half of the picture
    shown = onto_input(mask, frame.matrix, Region(50, 0, 150, 100), (10, 10))  # the network sees its middle
    assert shown[:, :5].all()
    assert not shown[:, 5:].any()
    assert (frame.coarse == NONE).all()
