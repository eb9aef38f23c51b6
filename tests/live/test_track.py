"""Tracks on made sequences whose truth is known, judged by IDF1 (Ristani et al. 2016) and HOTA (Luiten et al. 2020)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from whylight.boxes import Box, overlap
from whylight.boxes.match import overlaps
from whylight.live.track import Tracker

Objects = dict[int, Box]  # object, or track → where it is
Frame = tuple[float, Objects, list[Box], list[float]]  # time, truth, what is detected, and how surely
Follow = Callable[[Sequence[Box], Sequence[float], float], Objects]
RATE, PATIENCE, SURE, UNSURE, LEAST = 25.0, 1.0, 0.6, 0.1, 0.2
SEEDS = range(6)


# --- the sequence -----------------------------------------------------------------------------------------------------------


def truth(time: float) -> Objects:
    """Ten objects on 640 × 480 pixels, nearer ones with higher numbers."""
    places = {
        1: (40 + 60 * time, 150, 40, 80),  # four that walk past one another, close enough to hide one another
        2: (600 - 60 * time, 160, 40, 80),
        3: (60 + 45 * time, 185, 45, 90),
        4: (560 - 75 * time, 200, 45, 90),
        5: (320 + 90 * math.sin(1.3 * time), 330, 50, 60),  # two that turn back
        6: (320 - 90 * math.sin(1.1 * time + 0.4), 350, 50, 60),
        7: (150, 40 + 30 * time, 30 + 5 * time, 30 + 5 * time),  # one that comes nearer, across the way of the four
        8: (520 + 40 * math.cos(2 * time), 400 + 40 * math.sin(2 * time), 45, 45),  # one that goes round
        9: (60, 420, 60, 70),  # one that stands
    }
    if 3 < time < 9:
        places[10] = (640 - 80 * (time - 3), 430, 50, 70)  # one that comes and goes
    return {who: Box(*(x - w / 2, y - h / 2, x + w / 2, y + h / 2), 1.0) for who, (x, y, w, h) in places.items()}  # type: ignore[arg-type]


def detected(seed: int, drop: float = 0.0, seconds: float = 10.0) -> list[Frame]:
    """What a detector makes of it: sides off by 4 % of the size, 8 % missed, the half hidden unsure, the hidden missed, false ones
    (a third of them sure), and frames that are dropped at random."""
    rng, frames = np.random.default_rng(seed), []
    for time in np.arange(0, seconds, 1 / RATE):
        objects, boxes, scores = truth(float(time)), [], []
        for who, box in objects.items():
            hidden = max((_hidden(box, other) for near, other in objects.items() if near > who), default=0.0)
            noise, miss, score = rng.normal(0, 0.04, 4), rng.random(), rng.random()
            if miss < 0.08 or hidden > 0.75:
                continue
            size = math.sqrt((box.x1 - box.x0) * (box.y1 - box.y0))
            boxes.append(Box(*(round(side + size * off) for side, off in zip(box, noise, strict=False)), 1.0))
            scores.append(0.15 + 0.4 * score if hidden > 0.3 else 0.5 + 0.45 * score)
        for _ in range(rng.poisson(0.4)):
            x, y, w, h = (round(value) for value in rng.uniform((0, 0, 20, 20), (600, 440, 70, 90)))
            boxes.append(Box(x, y, x + w, y + h, 1.0))
            scores.append(float(rng.uniform(0.1, 0.85)))
        if rng.random() >= drop:
            frames.append((float(time), objects, boxes, scores))
    return frames


def _hidden(box: Box, near: Box) -> float:
    both = overlap(box, near)
    a, b = ((one.x1 - one.x0) * (one.y1 - one.y0) for one in (box, near))
    return both * (a + b) / (1 + both) / a


# --- the judges -------------------------------------------------------------------------------------------------------------


def _likeness(frames: list[tuple[Objects, Objects]]) -> tuple[list[NDArray[np.float64]], int, int]:
    """Of each frame the overlap of each object with each track, NaN where one of them is not there: (objects, tracks)."""
    whos = sorted({who for objects, _ in frames for who in objects})
    tracks = sorted({track for _, told in frames for track in told})
    found = []
    for objects, told in frames:
        shares = np.full((len(whos), len(tracks)), np.nan)
        rows, columns = [whos.index(who) for who in objects], [tracks.index(track) for track in told]
        if rows and columns:
            corners = [np.array([box[:4] for box in boxes.values()], float) for boxes in (objects, told)]
            shares[np.ix_(rows, columns)] = overlaps(*corners)
        found.append(shares)
    return found, sum(len(objects) for objects, _ in frames), sum(len(told) for _, told in frames)


def idf1(frames: list[tuple[Objects, Objects]]) -> float:
    """2·IDTP / (true boxes + told boxes): each object has one track for the whole sequence, so that IDTP is the most."""
    shares, true, told = _likeness(frames)
    together = sum((np.nan_to_num(one) >= 0.5).astype(int) for one in shares)
    return float(2 * together[linear_sum_assignment(together, maximize=True)].sum() / (true + told))


def hota(frames: list[tuple[Objects, Objects]]) -> float:
    """Mean over α = 0.05, 0.1, …, 0.95 of √(Σ over matches c of A(c) / (TP + FN + FP)), where A(c) = TPA / (TPA + FNA + FPA).

    Boxes are matched in each frame, by overlap weighed with how much their object and track agree over the whole sequence.
    """
    shares, true, told = _likeness(frames)
    whos, tracks = shares[0].shape
    of_who, of_track, agreed = np.zeros((whos, 1)), np.zeros((1, tracks)), np.zeros((whos, tracks))
    for (objects, found), one in zip(frames, shares, strict=True):
        of_who[:, 0] += [who in objects for who in sorted({w for o, _ in frames for w in o})]
        of_track[0] += [track in found for track in sorted({t for _, f in frames for t in f})]
        one = np.nan_to_num(one)
        either = one.sum(0) + one.sum(1, keepdims=True) - one
        agreed += np.divide(one, either, out=np.zeros_like(one), where=either > 0)
    weight = agreed / (of_who + of_track - agreed)
    chosen = []
    for one in shares:
        one = np.nan_to_num(one)
        rows, columns = linear_sum_assignment(weight * one, maximize=True)
        kept = np.zeros_like(one)
        kept[rows, columns] = one[rows, columns]
        chosen.append(kept)
    values = []
    for alpha in np.arange(1, 20) / 20:
        matches = sum((one >= alpha - 1e-9).astype(int) for one in chosen)
        assert isinstance(matches, np.ndarray)
        association = (matches * matches / (of_who + of_track - matches)).sum()
        values.append(math.sqrt(association / (true + told - matches.sum())))
    return float(np.mean(values))


def test_the_judges() -> None:
    """By hand: all is right; one object under two numbers in turn; two tracks that change places; nothing; half of it missed."""
    here, there = Box(0, 0, 10, 10, 1.0), Box(50, 0, 60, 10, 1.0)
    right = [({1: here, 2: there}, {7: here, 8: there})] * 10
    assert idf1(right) == hota(right) == 1
    split = [({1: here}, {7: here})] * 5 + [({1: here}, {8: here})] * 5
    assert idf1(split) == pytest.approx(2 * 5 / 20)
    assert hota(split) == pytest.approx(math.sqrt(0.5))  # A(c) is 5 / 10 for each of 10 matches
    swapped = right[:5] + [({1: here, 2: there}, {8: here, 7: there})] * 5
    assert idf1(swapped) == pytest.approx(0.5)
    assert hota(swapped) == pytest.approx(math.sqrt(5 / 15))
    half = [({1: here}, {7: here})] * 5 + [({1: here}, {})] * 5
    assert idf1(half) == pytest.approx(2 * 5 / 15)
    assert hota(half) == pytest.approx(math.sqrt(5 * 0.5 / 10))
    off = [({1: here}, {7: Box(0, 0, 10, 6, 1.0)})] * 4  # an overlap of 0.6: right at 12 of 19 thresholds
    assert hota(off) == pytest.approx(12 / 19)
    assert idf1(off) == 1


# --- the tracker, beside a greedy one ---------------------------------------------------------------------------------------


class Greedy:
    """The same two rounds, patience and confirmation, but each box in turn, the surest first, takes the track whose last box it
    overlaps most: neither prediction nor assignment."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[Box, float, int]] = {}  # track → box, time, hits
        self._count = 0

    def __call__(self, boxes: Sequence[Box], scores: Sequence[float], time: float) -> Objects:
        self._last = {who: one for who, one in self._last.items() if time - one[1] <= PATIENCE}
        told: Objects = {}
        for place in sorted(range(len(boxes)), key=lambda place: -scores[place]):
            shares = {who: overlap(one[0], boxes[place]) for who, one in self._last.items() if who not in told}
            best = max(shares, key=lambda who: shares[who], default=0)
            if scores[place] < UNSURE or (shares.get(best, 0) < LEAST and scores[place] < SURE):
                continue
            if shares.get(best, 0) < LEAST:
                self._count += 1
                best = self._count
            told[best] = boxes[place]
            self._last[best] = boxes[place], time, self._last[best][2] + 1 if best in self._last else 1
        return {who: box for who, box in told.items() if self._last[who][2] > 1}


class Ours:
    def __init__(self) -> None:
        self._tracker = Tracker(sure=SURE, unsure=UNSURE, overlap=LEAST, patience=PATIENCE)

    def __call__(self, boxes: Sequence[Box], scores: Sequence[float], time: float) -> Objects:
        return {one.id: one.box for one in self._tracker(boxes, scores, time)}


def followed(frames: list[Frame], follow: Follow) -> tuple[float, float]:
    """IDF1 and HOTA of one tracker on one sequence."""
    result = [(objects, follow(boxes, scores, time)) for time, objects, boxes, scores in frames]
    return idf1(result), hota(result)


def judged(drop: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(IDF1, HOTA) of each seed, with this share of frames dropped: ours and the greedy one's."""
    sequences = [detected(seed, drop) for seed in SEEDS]
    ours, greedy = ([followed(one, kind()) for one in sequences] for kind in (Ours, Greedy))
    return np.array(ours), np.array(greedy)


def test_objects_keep_their_numbers() -> None:
    ours, greedy = judged(0.0)
    assert ours[:, 0].min() >= 0.9
    assert ours[:, 1].mean() >= 0.75
    assert (ours.mean(0) > greedy.mean(0) + 0.03).all()


def test_dropped_frames_break_no_track() -> None:
    ours, greedy = judged(0.5)
    assert ours[:, 0].min() >= 0.85
    assert ours[:, 1].mean() >= 0.72
    assert (ours.mean(0) > greedy.mean(0) + 0.08).all()


def test_unsure_boxes_are_worth_their_round() -> None:
    frames = detected(1)
    sure_only: list[Frame] = []
    for time, objects, boxes, scores in frames:
        sure = [place for place, score in enumerate(scores) if score >= SURE]
        sure_only.append((time, objects, [boxes[place] for place in sure], [scores[place] for place in sure]))
    assert followed(frames, Ours())[0] > followed(sure_only, Ours())[0] + 0.1
