"""Every choice of a training run, in one frozen object that is written to the run folder."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, Self

from whylight.errors import TrainError
from whylight.train.setting_types import wrong_type

Balance = Literal["weight", "drop", "oversample"]


@dataclass(frozen=True)
class TrainConfig:
    """What to train, on what, and how.

    Args:
        data: an image-folder tree: `train/CLASS/…` and `val/CLASS/…` (`test/` too, if you like), or `CLASS/…` alone, which is
            split. Folders inside a class are part of it. With `boxes`, any folder of pictures.
        out: the run folder to make.
        arch: timm name, or `torchvision/NAME`.
        weights: a file of weights to start from. `pretrained`: start from the library's own weights. `scratch`: from chance.
        size: side of the square input in pixels.
        output_stride: pixels for each cell of the last grid: 16 gives maps twice as fine as the usual 32.
        fold_bn: fold batch norm into the convolutions before training (after reading the weights).
        freeze_bn: keep batch norm in evaluation mode.
        unfreeze: how many of the last blocks are trained, besides the classifier; None trains all.
        epochs: rounds over the training pictures. `batch`: pictures a step. `lr`: the highest learning rate.
        optimizer: `adamw`, or `adam` (L2 inside the gradient). `weight_decay`: strength of L2, not on biases and norms.
        warmup: share of the run in which the rate climbs. `schedule`: `cosine` falls to zero, `constant` stays, `one-cycle` is
            torch's OneCycleLR.
        layer_decay: factor on the learning rate from each group of layers to the one before it (timm's); None: one rate for all.
        accumulate: batches whose gradients are added up for one step.
        ema: store and measure the moving average of the weights with this decay (0.999, say); None: the weights themselves.
        patience: stop when validation has not improved for so many epochs; None trains them all.
        keep: store the `best` epoch by validation, or the `last`, which leaves the validation pictures unseen by any choice.
        head: `gap` gives a network that does not end so global average pooling and one linear layer, which class activation maps
            need, where its architecture lets it be done; `own` leaves its head.
        dropout: dropout before the classifier; None leaves the architecture's own.
        label_smoothing: share of the target that is spread over all classes (Szegedy et al. 2016).
        label_noise: labels of each class's training pictures that are flipped to another class, on purpose: a share below 1, or a
            number. `flips.csv` in the run folder lists them. Validation and test stay as they are.
        balance: `weight` weighs classes in the loss by how rare they are, `drop` leaves out pictures of the frequent ones until
            all have as many, `oversample` repeats those of the rare ones.
        teacher: a model (name, file or run folder) of the same classes that is imitated, too (Hinton, Vinyals, Dean 2015).
            `teacher_weight`: share of the loss that imitates. `temperature`: what both models' logits are divided by there.
        repeat: (pattern, times): files `CLASS/…` that match come so many times an epoch.
        augment: False leaves all that follows out: the pictures are read as they are. What frozen layers make of them is then
            computed once and kept, and later epochs take seconds (`cache`: False computes it anew each time).
        shift, shear, rotate, zoom: the most that a picture is moved (share of its side), sheared (degrees), turned (degrees)
            and scaled (0.2: from 1/1.2 to 1.2 times). `flip`: chance of a mirror image.
        colour: strength of brightness, contrast and saturation changes. `grey`, `blur`, `jpeg`: chance of each.
        erase: chance that a part is covered by a patch, often the middle of the lower half (of pictures that may be pasted).
        background: the class whose label holds in every part of its pictures ("no face", "empty street"). Its pictures may
            be cropped freely, and be what others are pasted on.
        boxes: a CSV file with the columns file, label, x0, y0, x1, y1, half-open, in pixels of the picture: its labels are the
            classes, and a box head is trained beside the classifier. Pictures without boxes are `background`.
        box_loss: how far a box is from the drawn one: `giou`, or `smooth-l1` on x, y, width and height.
        paste: chance that a picture is shrunk and pasted on one of the background class. `paste_from`: patterns of the files
            that may be pasted; none: all. Background pictures are pasted on each other as often, so the seam is no clue.
        local: weight of the local loss, which reads the classifier at every cell of the last grid: no cell of a background
            picture, nor of the ground around a paste, may say anything else; some cells of other pictures must.
        centre_head: subtract the mean over classes from the classifier: same probabilities, cleaner class maps.
        calibrate: scale the stored classifier so that its probabilities fit the validation pictures best (one number).
        val_share, test_share: shares cut off from a tree without `train/`.
        seed: decides everything that is random. `workers`: processes that read pictures; they do not change the result.
        device: `auto`, `cpu`, `cuda`, `mps`. `precision`: `auto` is bf16 on a GPU that has it, else fp32.
        half: store the model's weights as fp16.
        tensorboard: write the curves for TensorBoard, too, into the run folder.
        checkpoint_minutes: how often the state is saved inside an epoch; 0 saves after each step.
    """

    data: str
    out: str
    arch: str
    weights: str | None = None
    pretrained: bool = False
    scratch: bool = False
    size: int = 224
    output_stride: int | None = None
    fold_bn: bool = False
    freeze_bn: bool = False
    unfreeze: int | None = None
    epochs: int = 10
    batch: int = 32
    lr: float = 3e-4
    optimizer: Literal["adamw", "adam"] = "adamw"
    weight_decay: float = 0.01
    warmup: float = 0.1
    schedule: Literal["cosine", "constant", "one-cycle"] = "cosine"
    layer_decay: float | None = None
    accumulate: int = 1
    ema: float | None = None
    patience: int | None = None
    keep: Literal["best", "last"] = "best"
    head: Literal["gap", "own"] = "gap"
    dropout: float | None = None
    label_smoothing: float = 0.0
    label_noise: float = 0.0
    balance: Balance | None = None
    teacher: str | None = None
    teacher_weight: float = 0.5
    temperature: float = 2.0
    repeat: tuple[tuple[str, int], ...] = ()
    augment: bool = True
    cache: bool = True
    shift: float = 0.1
    shear: float = 5.0
    rotate: float = 10.0
    zoom: float = 0.2
    flip: float = 0.5
    colour: float = 0.2
    grey: float = 0.0
    blur: float = 0.0
    jpeg: float = 0.0
    erase: float = 0.0
    background: str | None = None
    boxes: str | None = None
    box_loss: Literal["giou", "smooth-l1"] = "giou"
    paste: float = 0.0
    paste_from: tuple[str, ...] = ()
    local: float = 0.0
    centre_head: bool = False
    calibrate: bool = False
    val_share: float = 0.15
    test_share: float = 0.0
    seed: int = 0
    workers: int = 1
    device: str = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    half: bool = False
    tensorboard: bool = False
    checkpoint_minutes: float = 5.0

    def __post_init__(self) -> None:
        for field in fields(self):
            if why := wrong_type(type(self), field.name, getattr(self, field.name)):
                raise TrainError(why)
        starts = [self.weights is not None, self.pretrained, self.scratch]
        if sum(starts) != 1:
            raise TrainError("say where the weights start: exactly one of --weights FILE, --pretrained or --scratch")
        shares = ("flip", "grey", "blur", "jpeg", "erase", "paste", "warmup", "val_share", "test_share", "shift")
        for name in (*shares, "label_smoothing", "teacher_weight"):
            if not 0 <= getattr(self, name) <= 1:
                raise TrainError(f"{name} is a share or a chance, from 0 to 1, not {getattr(self, name)}")
        for name in ("epochs", "batch", "size", "accumulate"):
            if getattr(self, name) < 1:
                raise TrainError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("shear", "rotate", "zoom", "colour", "local", "weight_decay", "checkpoint_minutes", "workers"):
            if getattr(self, name) < 0:
                raise TrainError(f"{name} cannot be negative")
        if self.lr <= 0 or self.temperature <= 0:
            raise TrainError(f"lr and temperature must be above 0, not {self.lr} and {self.temperature}")
        for name in ("layer_decay", "ema"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 1:
                raise TrainError(f"{name} is a factor between 0 and 1, not {value}")
        if self.patience is not None and self.patience < 1:
            raise TrainError(f"patience must be at least 1 epoch, not {self.patience}")
        if self.label_noise < 0 or (self.label_noise > 1 and self.label_noise != int(self.label_noise)):
            raise TrainError(f"label_noise is a share below 1 or a whole number of pictures, not {self.label_noise}")
        if self.boxes is not None:
            others = {
                "label_noise": self.label_noise,
                "teacher": self.teacher,
                "ema": self.ema,
                "balance": self.balance,
            }
            others |= {"label_smoothing": self.label_smoothing, "no augmentation": not self.augment}
            if given := [name for name, value in others.items() if value]:
                raise TrainError(f"with boxes there is no {' or '.join(given)}: leave it out, or --boxes")
        if not self.augment and (self.paste or self.erase):
            raise TrainError("paste and erase change the pictures, which no augmentation forbids: leave them out")
        if self.unfreeze is not None and self.unfreeze < 0:
            raise TrainError(f"unfreeze takes a number of blocks (0: the classifier alone), not {self.unfreeze}")
        if (self.paste or self.local) and self.background is None:
            raise TrainError("paste and local need to know the background class: --background CLASS")
        if self.boxes is not None and (self.paste or self.paste_from or self.local):
            raise TrainError(
                "paste, paste_from and local teach where to look without boxes: leave them out, or --boxes"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return dict(json.loads(json.dumps(asdict(self))))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Rebuild from `to_dict`'s values; unknown names are an error."""
        unknown = set(values) - {field.name for field in fields(cls)}
        if unknown:
            raise TrainError(f"unknown settings: {', '.join(sorted(unknown))}. Was this run made by another version?")
        values = dict(values)
        values["repeat"] = tuple((pattern, times) for pattern, times in values.get("repeat", ()))
        values["paste_from"] = tuple(values.get("paste_from", ()))
        return cls(**values)

    def absolute(self) -> Self:
        """The same with absolute paths, so that the run can be resumed from anywhere."""
        weights, boxes = (None if file is None else str(Path(file).resolve()) for file in (self.weights, self.boxes))
        data, out = str(Path(self.data).resolve()), str(Path(self.out).resolve())
        teacher = str(Path(self.teacher).resolve()) if self.teacher and Path(self.teacher).exists() else self.teacher
        return replace(self, data=data, out=out, weights=weights, boxes=boxes, teacher=teacher)
