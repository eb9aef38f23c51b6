"""Where a model looks for whom, in sentences for an audit's summary."""

from __future__ import annotations

from whylight.shown import plural, shown
from whylight.subgroups.found import Attention, Pair

_NAMED = 5  # pairs of groups named in a sentence


def sentences(found: Attention, least: int) -> list[str]:
    """What stands out; the page and audit.json have the rest.

    Args:
        found: where the model looks, by group.
        least: groups of fewer pictures are not spoken of.
    """
    pairs = [one for one in found.pairs if min(found.sizes(one)) >= least]
    return [*_maps(pairs), *_covered(pairs), *_discovered(found)]


def _maps(pairs: list[Pair]) -> list[str]:
    told = [(pair, pair.difference) for pair in pairs if pair.difference is not None]
    if not told:
        return (
            ["Where it looks: there are too few pictures to hold any two groups against each other."] if pairs else []
        )
    apart = sorted(
        ((pair, one) for pair, one in told if one.significant.any()),
        key=lambda both: -float(both[1].significant.mean()),
    )
    if not apart:
        return [f"Where it looks: of {plural(len(told), 'pair')} of groups no two mean maps differ beyond chance."]
    named = _some([
        f"{' and '.join(map(shown, pair.names))} in {_share(float(one.significant.mean()))} of the frame "
        f"({one.moved:.1%} of the evidence lies elsewhere, chance included)"
        for pair, one in apart
    ])  # fmt: skip
    return [
        f"Where it looks: mean maps differ beyond chance between {named}. That alone is no proof that it is unfair to anyone."
    ]


def _covered(pairs: list[Pair]) -> list[str]:
    tried = [(pair, one) for pair in pairs for one in pair.covered]
    if not tried:
        return []
    closed = [(pair, one) for pair, one in tried if one.closes and not one.levels_down]
    if not closed:
        return [f"Covered regions: of {plural(len(tried), 'test')}, none is shown to close a gap in accuracy."]
    named = _some([
        f"{shown(one.region)} for {' against '.join(map(shown, pair.names))} "
        f"({100 * one.seen:+.1f} to {100 * one.covered:+.1f} points)"
        for pair, one in closed
    ])  # fmt: skip
    return [
        f"Covering a region in everybody's picture closes the gap in accuracy: {named}. These tests are exploratory."
    ]


def _discovered(found: Attention) -> list[str]:
    told = found.discovery
    if told is None or told.why_not:
        return []
    if not told.found:
        return ["Groups nobody named: none was confirmed."]
    sizes = ", ".join(f"{len(one.members):,}" for one in told.found[:_NAMED])
    which = "it" if len(told.found) == 1 else "them"
    said = f"{plural(len(told.found), 'cluster')} of mistakes confirmed on pictures that had no part in finding {which}"
    return [f"Groups nobody named: {said}, of {sizes} pictures."]


def _some(texts: list[str]) -> str:
    """The first few, and how many more there are."""
    more = f"; and {len(texts) - _NAMED} more" if len(texts) > _NAMED else ""
    return "; ".join(texts[:_NAMED]) + more


def _share(part: float) -> str:
    return f"{part:.0%}" if part >= 0.01 else "less than 1%"
