"""What the localisation report says beside its figures."""

from __future__ import annotations

from typing import Any

# By measure: the question it answers. The order is the report's.
ANSWERS = {
    "MaxBoxAcc (IoU 0.5)": (
        "How many objects does the map's box find? The box is drawn around the map's largest hot part, and right if it overlaps an "
        "annotated one by half or more; one threshold for all pictures, the best that there is for this method."
    ),
    "Box accuracy": (
        "The same at a threshold that was fixed beforehand: what a user gets, who cannot choose it by the answers."
    ),
    "MaxBoxAccV2 (largest part)": (
        "How many, from roughly to exactly? The mean over overlaps of 0.3, 0.5 and 0.7, each at its own best threshold."
    ),
    "MaxBoxAccV2 (any part)": (
        "The same where the box around any hot part may be the right one, not only the largest: wsolevaluation's rule."
    ),
    "Top-1 localisation (IoU 0.5)": (
        "How many pictures have both the class and its box right, if the model has to name the class itself?"
    ),
    "Top-1 localisation at": "The same at a threshold that was fixed beforehand.",
    "Top-1 accuracy": (
        "How many pictures have the class right? No box can do better where the model names the class itself."
    ),
    "PxAP": (
        "Are hot pixels the object's pixels? Average precision over all pixels of all pictures; needs no threshold."
    ),
    "Pointing game (inside)": "Does the map's hottest pixel lie on the object?",
    "Pointing game (near)": "Does it lie on the object, or nearly?",
    "Pointing game, mean of classes": "The same, each class counting alike, however many pictures it has.",
    "Energy pointing game": (
        "How much of the map's energy lies on the object? Large objects make it easy: read it beside the centred blob."
    ),
    "Maps that show nothing": (
        "How many maps have no positive evidence, or the same everywhere? They have no box, and are misses."
    ),
}

FIGURES = {
    "threshold": ("Boxes right at IoU 0.5, by threshold", "share of the map's maximum", "% of pictures"),
    "overlap": ("Boxes right at the best threshold, by the overlap asked for", "IoU", "% of pictures"),
    "pixels": ("Pixels: precision by recall", "recall, %", "precision, %"),
}

PROTOCOL: dict[str, Any] = {
    "map": (
        "of the picture's own class (GT-known), laid over the original picture with half-pixel centres; relative to its maximum "
        "of positive evidence (wsolevaluation: from 0 at its minimum to 1 at its maximum)"
    ),
    "thresholds": (
        "0.01, 0.02, … 1.00 of the maximum; pixels at the threshold belong to the part; one threshold for all pictures"
    ),
    "box": (
        "around the connected part (8 neighbours) with the most pixels; half-open, in pixels of the original picture"
    ),
    "hit": "with any of the boxes of the picture's class",
    "blank and constant maps": "no box, a miss by every measure",
    "several classes": "a picture with annotations of several classes counts once for each; it is one picture all the same",
    "intervals": (
        "95 %, over pictures, all classes of one together: Wilson's for shares, Student's for means; where they chose their own "
        "threshold (MaxBoxAcc), around the share less the luck of the choice, by 2,000 resamples, seed 0"
    ),
    "baselines": (
        "a Gaussian in the middle, its standard deviation a quarter of each side; uniform random numbers on 7 × 7 cells, enlarged "
        "bilinearly, drawn by the picture's name and the seed"
    ),
}


def near(tolerance: float) -> str:
    """The pointing game's rule, for the protocol."""
    return (
        "the first of the hottest pixels in reading order; near: on the object, or less than "
        f"{tolerance:g} px from one of its pixels, as the crow flies"
    )
