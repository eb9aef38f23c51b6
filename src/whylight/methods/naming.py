"""Methods' names as people write them: `Grad-CAM`, `grad_cam` and `GradCAM` are one, and so are other libraries' names for it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

# What other libraries and papers call ours, letters and digits alone (`plain`). Only what is the same method, or a form of it
# for which ours has an option; what is another method (guided backpropagation alone, SS-CAM) is no alias of anything.
ALIASES = {
    "classactivationmap": "cam",
    "classactivationmapping": "cam",
    "gradientweightedclassactivationmapping": "gradcam",
    "layergradcam": "gradcam",  # captum
    "gradcamelementwise": "elementgradcam",  # pytorch-grad-cam
    "axiombasedgradcam": "xgradcam",
    "scoreweightedcam": "scorecam",
    "kpca": "kpcacam",
    "kernelpcacam": "kpcacam",
    "featurebasedexplanationmethod": "fem",
    "deepfeaturefactorization": "dff",
    "deepfeaturefactorisation": "dff",
    "fullgradient": "fullgrad",
    "ig": "integratedgradients",
    "intgrad": "integratedgradients",
    "intgrads": "integratedgradients",
    "gradient": "saliency",
    "vanillagradient": "saliency",
    "vanillagradients": "saliency",
    "vanillagrad": "saliency",
    "saliencymap": "saliency",
    "gradientxinput": "inputxgradient",
    "gradxinput": "inputxgradient",
    "inputxgrad": "inputxgradient",
    "gradienttimesinput": "inputxgradient",
    "inputtimesgradient": "inputxgradient",
    "smoothgradient": "smoothgrad",
    "attentionrollout": "rollout",
    "occlusionsensitivity": "occlusion",
    "randomizedinputsampling": "rise",
    "randomisedinputsampling": "rise",
    "randomizedinputsamplingforexplanation": "rise",
}


def plain(name: str) -> str:
    """A name without what people write differently: case, hyphens, underscores, spaces, how `++` is spelled.

    >>> plain("Grad-CAM++"), plain("gradcam_plusplus"), plain("Input × Gradient")
    ('gradcampp', 'gradcampp', 'inputxgradient')
    """
    name = name.casefold().replace("++", "pp").replace("×", "x").replace("*", "x").replace("⊙", "x")
    return re.sub(r"[\W_]+", "", name).replace("plusplus", "pp")


def meant(name: str, known: Iterable[str]) -> str | None:
    """The method that a name means; None where it means none.

    Args:
        name: as it was written.
        known: the names there are.

    >>> meant("GradCAMPlusPlus", ["gradcam", "gradcam++"]), meant("gradcma", ["gradcam"])
    ('gradcam++', None)
    """
    known = list(known)
    if name in known:
        return name
    by_plain = {plain(one): one for one in known}
    bare = plain(name)
    return by_plain.get(bare) or by_plain.get(ALIASES.get(bare, ""))


def near(name: str, known: Sequence[str], most: int = 3) -> list[str]:
    """The names nearest to one that is none of them, in whatever case it was written; all where none is near.

    >>> near("GradCM", ["gradcam", "rise"])
    ['gradcam']
    >>> near("guided backpropagation", ["gradcam", "guided-gradcam"])
    ['guided-gradcam']
    """
    by_plain = {plain(one): one for one in known}
    words = [word for word in re.split(r"[\W_]+", name.casefold()) if len(word) > 3]
    close = [by_plain[one] for one in difflib.get_close_matches(plain(name), by_plain, n=most)]
    holding = [one for one in known if any(word in plain(one) for word in words)]
    return list(dict.fromkeys([*close, *holding]))[:most] or list(known)
