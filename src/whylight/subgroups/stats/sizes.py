"""How many rows a group needs before its figures say something."""

from __future__ import annotations

import math

from scipy.stats import norm

from whylight.errors import DataError


def for_interval(rate: float, half: float, *, level: float = 0.95) -> int:
    """Rows for a rate's interval to reach `half` to each side, on the whole.

    Raises:
        DataError: if the rate is not within 0 and 1, or `half` not above 0.

    Source: the width of Wilson's interval (JASA 1927), solved for n.

    >>> for_interval(0.95, 0.02), for_interval(0.5, 0.05)
    (469, 381)
    """
    _share("rate", rate, ends=True)
    if not 0 < half < 0.5:
        raise DataError(f"half: {half} given; half the width of an interval lies between 0 and 0.5")
    z = float(norm.ppf((1 + level) / 2))
    n = 1
    step = 1 << 30
    while step:
        if _half(rate, n + step, z) > half:
            n += step
        step //= 2
    return n + 1 if _half(rate, n, z) > half else n


def _half(rate: float, n: int, z: float) -> float:
    return z / (1 + z * z / n) * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))


def for_gap(
    rate: float, gap: float, *, share: float = 0.5, power: float = 0.8, tests: int = 1, alpha: float = 0.05
) -> int:
    """Rows of the group, for a gap to all others to be found with the chance `power`.

    Args:
        rate: of the others.
        gap: by how much the group is worse.
        share: of all rows that are the group's; the others grow with it.
        power: the chance to find the gap.
        tests: how many comparisons are made; the error allowed is shared among them.
        alpha: the error allowed.

    Raises:
        DataError: if a number is not within its bounds.

    Source: Fleiss, Levin and Paik, Statistical methods for rates and proportions, 2003, section 4.3, without continuity correction.

    >>> for_gap(0.95, 0.02), for_gap(0.95, 0.02, share=0.05)
    (2213, 1093)
    """
    _share("rate", rate)
    _share("share", share)
    _share("power", power)
    if not 0 < gap < rate:
        raise DataError(f"gap: {gap} given; the group's rate is what is left of {rate}, above 0")
    ratio = (1 - share) / share  # others to each row of the group
    worse = rate - gap
    middle = (worse + ratio * rate) / (1 + ratio)
    z, y = float(norm.ppf(1 - alpha / (2 * max(tests, 1)))), float(norm.ppf(power))
    top = z * math.sqrt((1 + ratio) * middle * (1 - middle)) + y * math.sqrt(
        ratio * worse * (1 - worse) + rate * (1 - rate)
    )
    return math.ceil(top**2 / (ratio * gap**2))


def _share(name: str, value: float, *, ends: bool = False) -> None:
    if not (0 <= value <= 1 if ends else 0 < value < 1):
        raise DataError(f"{name}: {value} given; it lies between 0 and 1")
