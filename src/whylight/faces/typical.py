"""The typical face: where FaceMesh's landmarks lie on average, and which of them outline which part.

Printed by `recipes/face_parts/typical.py`: medians over those 308 adults of FairFace (CC BY 4.0, balanced over seven groups of
origin) who look straight into the camera, both halves of the face averaged.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Landmark of the right half of the face, its mirror image, and where the first lies: eye distances from the middle between the
# eyes, x towards the person's left, y down.
# fmt: off
_TABLE = (
    (10, 10, 0.00, -0.82), (109, 338, -0.30, -0.81), (67, 297, -0.56, -0.77), (103, 332, -0.79, -0.68),
    (54, 284, -0.94, -0.54), (21, 251, -1.03, -0.37), (162, 389, -1.08, -0.18), (127, 356, -1.10, 0.05),
    (234, 454, -1.09, 0.27), (93, 323, -1.07, 0.50), (132, 361, -1.05, 0.74), (58, 288, -0.98, 0.99),
    (172, 397, -0.88, 1.20), (136, 365, -0.77, 1.36), (150, 379, -0.63, 1.49), (149, 378, -0.50, 1.59),
    (176, 400, -0.37, 1.68), (148, 377, -0.21, 1.75), (152, 152, 0.00, 1.78), (226, 446, -0.81, 0.03),
    (113, 342, -0.80, -0.06), (225, 445, -0.76, -0.14), (224, 444, -0.68, -0.18), (223, 443, -0.57, -0.20),
    (222, 442, -0.43, -0.19), (221, 441, -0.28, -0.13), (189, 413, -0.20, -0.05), (244, 464, -0.19, 0.05),
    (233, 453, -0.24, 0.10), (232, 452, -0.30, 0.13), (231, 451, -0.39, 0.16), (230, 450, -0.51, 0.18),
    (229, 449, -0.64, 0.18), (228, 448, -0.74, 0.15), (31, 261, -0.79, 0.11), (46, 276, -0.84, -0.19),
    (53, 283, -0.75, -0.26), (52, 282, -0.62, -0.29), (65, 295, -0.44, -0.28), (55, 285, -0.20, -0.21),
    (107, 336, -0.23, -0.34), (66, 296, -0.46, -0.37), (105, 334, -0.66, -0.37), (63, 293, -0.81, -0.33),
    (70, 300, -0.90, -0.24), (168, 168, 0.00, -0.06), (193, 417, -0.12, -0.05), (122, 351, -0.09, 0.09),
    (188, 412, -0.15, 0.14), (174, 399, -0.16, 0.25), (217, 437, -0.22, 0.31), (209, 429, -0.29, 0.45),
    (49, 279, -0.32, 0.53), (129, 358, -0.35, 0.57), (64, 294, -0.32, 0.62), (98, 327, -0.29, 0.68),
    (97, 326, -0.13, 0.73), (2, 2, 0.00, 0.74), (0, 0, 0.00, 0.94), (37, 267, -0.14, 0.92),
    (39, 269, -0.27, 0.94), (40, 270, -0.35, 0.96), (185, 409, -0.41, 0.98), (61, 291, -0.45, 1.01),
    (146, 375, -0.40, 1.07), (91, 321, -0.34, 1.13), (181, 405, -0.25, 1.20), (84, 314, -0.14, 1.25),
    (17, 17, 0.00, 1.26), (124, 353, -0.88, -0.08), (202, 422, -0.55, 1.16), (211, 431, -0.50, 1.38),
    (9, 9, 0.00, -0.32), (1, 1, 0.00, 0.65),
)
# fmt: on
MIRROR = {first: second for right, left, _, _ in _TABLE for first, second in ((right, left), (left, right))}
NOSE_TIP, RIGHT_MOUTH, LEFT_MOUTH = 4, 61, 291


def typical(landmarks: int = 468) -> NDArray[np.float64]:
    """(468, 2) in eye distances: the landmarks that outline a part, NaN for all others."""
    points = np.full((landmarks, 2), np.nan)
    for right, left, x, y in _TABLE:
        points[right], points[left] = (x, y), (-x, y)
    return points
