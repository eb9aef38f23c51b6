"""Model files: what is written is read back, and files that are not ours are told apart."""

from __future__ import annotations

import hashlib
import json
import resource
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors
import safetensors.torch
import torch

from whylight.errors import ModelError
from whylight.images.preprocess import Preprocess
from whylight.models.surgery import fold_batch_norm
from whylight.models.zoo.architectures import build
from whylight.models.zoo.files import KEY, ModelSpec, load_weights, read_spec, save_weights
from whylight.models.zoo.foreign import load_foreign

ROOT = Path(__file__).resolve().parents[3]
BUNDLED = {
    name: ROOT / "src" / "whylight" / "models" / "zoo" / "bundled" / f"{name}.safetensors"
    for name in ("face", "person")
}
INITIAL = Path(__file__).with_name("face_initial.json")


@pytest.fixture
def spec() -> ModelSpec:
    return ModelSpec(
        arch="torchvision/mobilenet_v2",
        classes=("ja", "näh"),
        preprocess=Preprocess(size=(64, 96), mode="crop", crop_pct=0.9),
        output_stride=16,
        options={"fold_batch_norm": True},
        training={"epochs": 3},
    )


@pytest.mark.parametrize("dtype", [None, torch.float16])
def test_round_trip(tmp_path: Path, spec: ModelSpec, dtype: torch.dtype | None) -> None:
    module = spec.build()
    save_weights(tmp_path / "a" / "m.safetensors", module, spec, dtype=dtype)
    again, read = load_weights(tmp_path / "a" / "m.safetensors")
    assert read == spec == read_spec(tmp_path / "a" / "m.safetensors")
    assert not again.training
    for (name, a), b in zip(module.state_dict().items(), again.state_dict().values(), strict=True):
        assert b.dtype == torch.float32, name
        assert torch.equal(a if dtype is None else a.half().float(), b)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["m.safetensors"]  # nothing left over


def test_half_is_half_the_size(tmp_path: Path, spec: ModelSpec) -> None:
    module = spec.build()
    save_weights(tmp_path / "full.safetensors", module, spec)
    save_weights(tmp_path / "half.safetensors", module, spec, dtype=torch.float16)
    assert (tmp_path / "half.safetensors").stat().st_size < 0.51 * (tmp_path / "full.safetensors").stat().st_size


def test_a_run_folder_stands_for_its_model(tmp_path: Path, spec: ModelSpec) -> None:
    save_weights(tmp_path / "model.safetensors", spec.build(), spec)
    assert load_weights(tmp_path)[1] == spec


def test_weights_that_half_cannot_hold_are_not_written(tmp_path: Path, spec: ModelSpec) -> None:
    module = spec.build()
    with torch.no_grad():
        module.classifier[1].weight[0, 0] = 1e6  # type: ignore[index, union-attr]
    with pytest.raises(ModelError, match=r"classifier\.1\.weight is not finite"):
        save_weights(tmp_path / "m.safetensors", module, spec, dtype=torch.float16)
    assert not list(tmp_path.iterdir())


def test_files_that_are_not_ours(tmp_path: Path, spec: ModelSpec) -> None:
    foreign = tmp_path / "foreign.safetensors"
    safetensors.torch.save_file({"w": torch.zeros(1)}, foreign)
    with pytest.raises(ModelError, match="no whylight metadata"):
        read_spec(foreign)
    with pytest.raises(ModelError, match="no such model file"):
        read_spec(tmp_path / "none.safetensors")
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(ModelError, match="not a safetensors file"):
        read_spec(tmp_path / "text.safetensors")
    for text, said in (
        ("{", "damaged"),
        (json.dumps({"format": 99}), "newer whylight"),
        (json.dumps({"format": 1}), "damaged"),
    ):
        safetensors.torch.save_file({"w": torch.zeros(1)}, foreign, metadata={KEY: text})
        with pytest.raises(ModelError, match=said):
            read_spec(foreign)
    safetensors.torch.save_file({"w": torch.zeros(1)}, foreign, metadata={KEY: spec.to_json()})
    with pytest.raises(ModelError, match=r"do not fit torchvision/mobilenet_v2"):
        load_weights(foreign)


@pytest.mark.parametrize("options", [{"pretrained": True}, {"fold_batch_norm": "yes"}, {"weights": "/etc/passwd"}])
def test_a_file_says_nothing_else_to_the_constructor(
    tmp_path: Path, spec: ModelSpec, options: dict[str, object]
) -> None:
    path = tmp_path / "m.safetensors"
    text = replace(spec, options={**spec.options, **options}).to_json()
    safetensors.torch.save_file({"w": torch.zeros(1)}, path, metadata={KEY: text})
    with pytest.raises(ModelError, match=rf"asks for {next(iter(options))}=.*does not take"):
        read_spec(path)


@pytest.mark.parametrize("name", BUNDLED)
def test_the_bundled_models(name: str) -> None:
    path = BUNDLED[name]
    module, spec = load_weights(path)
    assert path.stat().st_size <= 8 * 2**20
    assert sorted(spec.classes) == sorted([name, f"no {name}"])
    with safetensors.safe_open(path, framework="pt") as file:
        assert {file.get_tensor(name).dtype for name in file.keys()} == {torch.float16}  # noqa: SIM118
    head = module.classifier[1]  # type: ignore[index, union-attr]
    assert torch.allclose(head.weight[0], -head.weight[1], atol=1e-3)
    assert path.with_suffix(".md").read_text().startswith(f"# {name}\n")


def digest(value: torch.Tensor) -> str:
    """What a tensor is told by: its shape and its numbers as fp16."""
    numbers = value.detach().half().contiguous()
    return hashlib.sha256(repr(tuple(numbers.shape)).encode() + numbers.numpy().tobytes()).hexdigest()[:32]


def initial_digests(path: Path) -> dict[str, str]:
    """Digests of all weights that the recipes start from: as they lie in the file, and folded as it folds them."""
    module = build("torchvision/mobilenet_v2", output_stride=16)
    load_foreign(module, path)
    found = dict(module.state_dict())
    fold_batch_norm(module)
    found |= {f"folded {name}": value for name, value in module.state_dict().items()}
    return {name: digest(value) for name, value in found.items() if value.is_floating_point()}


@pytest.mark.parametrize("name", BUNDLED)
def test_no_tensor_ships_as_it_was_found(name: str) -> None:
    initial = set(json.loads(INITIAL.read_text()).values())
    assert len(initial) > 100  # 52 convolutions and their biases at least
    for key, value in safetensors.torch.load_file(BUNDLED[name]).items():
        assert digest(value) not in initial, key
        assert value.std() > 0, key


def test_the_digests_are_those_of_the_initial_weights(data_dir: Path) -> None:
    assert json.loads(INITIAL.read_text()) == initial_digests(data_dir / "weights" / "mobilenet_v2_imagenet.pth")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"classes": "ab"}, "classes"),
        ({"classes": [1, 2]}, "classes"),
        ({"classes": {"a": 1}}, "classes"),
        ({"arch": None}, "arch"),
        ({"format": [1]}, "format"),
        ({"output_stride": "x"}, "output_stride"),
        ({"output_stride": 10**9}, "output_stride"),
        ({"options": []}, "options"),
        ({"options": None}, "options"),
        ({"training": 3}, "training"),
        ({"preprocess": None}, "preprocess"),
        ({"preprocess": {"size": [10**9, 10**9]}}, "preprocess"),
        ({"preprocess": {"size": "ab"}}, "preprocess"),
        ({"preprocess": {"size": [64, 64], "std": ["x", 1, 1]}}, "preprocess"),
        ({"preprocess": {"size": [64, 64], "std": [0, 1, 1]}}, "std"),
        ({"preprocess": {"size": [64, 64], "evil": 1}}, "evil"),
        ({"boxes": [1]}, "boxes"),
        ({"localization": "x"}, "localization"),
    ],
)
def test_a_spec_of_other_types_is_named(change: dict[str, object], named: str, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_weights(path, build("resnet18", classes=2), ModelSpec("resnet18", ("a", "b"), Preprocess()))
    with safetensors.safe_open(path, framework="pt") as file:
        fields = json.loads(file.metadata()["whylight"])
    tensors = safetensors.torch.load_file(path)
    safetensors.torch.save_file(tensors, path, metadata={"whylight": json.dumps({**fields, **change})})
    with pytest.raises(ModelError, match=rf"m\.safetensors: .*{named}"):
        load_weights(path)


def test_names_for_more_classes_than_there_are_cost_nothing(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_weights(path, build("resnet18", classes=2), ModelSpec("resnet18", ("a", "b"), Preprocess()))
    with safetensors.safe_open(path, framework="pt") as file:
        fields = json.loads(file.metadata()["whylight"])
    fields["classes"] = [str(i) for i in range(2_000_000)]
    safetensors.torch.save_file(safetensors.torch.load_file(path), path, metadata={"whylight": json.dumps(fields)})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelError, match="names 2,000,000 classes, and no layer has as many outputs"):
        load_weights(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_500_000  # kilobytes
