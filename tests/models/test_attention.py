"""Attention as the network computes it, its gradients as the equation says, and networks that have none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
import torchvision
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from handed_back import assert_same, state_of
from whylight.models.attention import AttentionMaps, find_attention
from whylight.models.attention_hooks import sites_of, watching
from whylight.models.eval_mode import borrowed

SIZE = 32


def timm_vit(**options: Any) -> nn.Module:
    torch.manual_seed(0)
    network = VisionTransformer(
        img_size=SIZE, patch_size=8, embed_dim=12, depth=2, num_heads=3, num_classes=4, **options
    )
    for name, parameter in network.named_parameters():  # a new network's biases are zero and its tokens tiny
        nn.init.normal_(parameter, std=0.3, mean=float("norm" in name and "weight" in name))
    return network.eval()


def torchvision_vit(heads: int = 2) -> nn.Module:
    torch.manual_seed(0)
    network = torchvision.models.VisionTransformer(SIZE, 8, 2, heads, 12, 24, num_classes=4)
    for name, parameter in network.named_parameters():
        nn.init.normal_(parameter, std=0.3, mean=float("ln" in name and "weight" in name))
    return network.eval()


class Own(nn.Module):
    """A user's own transformer of torch.nn's layers, sequence first, reading the mean of its tokens."""

    def __init__(self, batch_first: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.batch_first = batch_first
        self.patches = nn.Conv2d(3, 8, 8, 8)
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=batch_first, norm_first=True)
        self.blocks = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.norm, self.fc = nn.LayerNorm(8), nn.Linear(8, 4)

    def forward_head(self, tokens: Tensor) -> Tensor:
        return self.fc(tokens.mean(1))

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        out = self.blocks(tokens if self.batch_first else tokens.transpose(0, 1))
        return self.forward_head(self.norm(out if self.batch_first else out.transpose(0, 1)))


NETWORKS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "timm": (timm_vit, 1),
    "timm, registers": (lambda: timm_vit(reg_tokens=2), 3),
    "timm, mean of tokens": (lambda: timm_vit(global_pool="avg", class_token=False, fc_norm=True), 0),
    "torchvision, even heads": (torchvision_vit, 1),
    "torchvision, odd heads": (lambda: torchvision_vit(3), 1),
    "torch.nn, batch first": (lambda: Own(batch_first=True).eval(), 0),
}


@pytest.fixture
def x() -> Tensor:
    return torch.randn((2, 3, SIZE, SIZE), generator=torch.Generator().manual_seed(0))


def found(network: nn.Module, x: Tensor) -> AttentionMaps:
    maps = find_attention(network, x[:1])
    assert isinstance(maps, AttentionMaps), maps
    return maps


def score(logits: Tensor) -> Tensor:
    return logits[:, 1]


@pytest.mark.parametrize("family", NETWORKS)
def test_probabilities_of_every_token(family: str, x: Tensor) -> None:
    make, prefix = NETWORKS[family]
    network = make()
    maps = found(network, x)
    assert (maps.prefix, maps.grid, len(maps)) == (prefix, (4, 4), 2)
    assert maps.why_no_gradients is None
    for mode in (torch.no_grad, torch.enable_grad):
        with mode():
            logits, attentions = maps.run(x)
            torch.testing.assert_close(logits, network(x))
        for attention in attentions:
            assert attention.shape[0] == 2
            assert attention.shape[2:] == (prefix + 16, prefix + 16)
            assert (attention >= 0).all()
            torch.testing.assert_close(attention.sum(-1), torch.ones(attention.shape[:-1]))
            assert attention.var() > 0


def test_timm_by_hand(x: Tensor) -> None:
    """softmax(QKᵀ/√d) from the weights, in plain loops over heads."""
    network = timm_vit()
    _, attentions = found(network, x).run(x)
    with torch.no_grad():
        tokens = network.norm_pre(network._pos_embed(network.patch_embed(x)))
        for block, attention in zip(network.blocks, attentions, strict=True):
            qkv = block.norm1(tokens) @ block.attn.qkv.weight.T + block.attn.qkv.bias  # (N, T, 3·K)
            for n in range(2):
                for head in range(3):
                    q, k = (qkv[n, :, part * 12 + head * 4 : part * 12 + head * 4 + 4] for part in (0, 1))
                    torch.testing.assert_close(attention[n, head], (q @ k.T / 2).softmax(-1))
            tokens = block(tokens)


def test_torchvision_by_hand(x: Tensor) -> None:
    network = torchvision_vit()
    _, attentions = found(network, x).run(x)
    layer = network.encoder.layers[0]
    with torch.no_grad():
        tokens = torch.cat([network.class_token.expand(2, -1, -1), network._process_input(x)], 1)
        tokens = layer.ln_1(tokens + network.encoder.pos_embedding)
        qkv = tokens @ layer.self_attention.in_proj_weight.T + layer.self_attention.in_proj_bias
        for head in range(2):
            q, k = (qkv[1, :, part * 12 + head * 6 : part * 12 + head * 6 + 6] for part in (0, 1))
            torch.testing.assert_close(attentions[0][1, head], (q @ k.T / 6**0.5).softmax(-1))


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("family", ["timm", "torchvision, even heads"])
def test_the_logits_hang_on_the_maps(family: str, frozen: bool, x: Tensor) -> None:
    network = NETWORKS[family][0]().requires_grad_(not frozen)
    logits, attentions = found(network, x).run(x)
    gradients = torch.autograd.grad(logits[:, 1].sum(), attentions)
    assert all(gradient.abs().sum() > 0 for gradient in gradients)


@pytest.mark.parametrize("family", NETWORKS)
def test_gradients_by_finite_differences(family: str, x: Tensor) -> None:
    """Change one probability of block l, run that block's other half, read the logits from its tokens."""
    network = NETWORKS[family][0]().double().requires_grad_(False)
    x = x[:1].double()
    maps = found(network, x)
    gradients = maps.gradients(x, score)
    sites = maps._sites
    _, attentions = maps.run(x)
    generator = torch.Generator().manual_seed(3)
    for block, gradient in enumerate(gradients):
        assert gradient.dtype == torch.float32
        for _ in range(6):
            _, heads, t, _ = gradient.shape
            at = (0, *(int(torch.randint(side, (1,), generator=generator)) for side in (heads, t, t)))
            moved = [layer_score(network, sites, block, attentions[block], at, step, x) for step in (1e-5, -1e-5)]
            assert float(gradient[at]) == pytest.approx((moved[0] - moved[1]) / 2e-5, rel=1e-4, abs=1e-7)
        assert (gradient != 0).any()


def layer_score(
    network: nn.Module, sites: Any, block: int, attention: Tensor, at: Any, step: float, x: Tensor
) -> float:
    """s_l with one probability changed, by means of its own: a changed map is handed in where V is weighted."""
    changed = attention.detach().clone()
    changed[at] += step
    part, tokens = sites[block].attention, []

    def swap(part: nn.Module, args: Any, output: Any) -> Any:
        given = args[0]
        if isinstance(part, nn.MultiheadAttention):
            k, weight, bias = part.embed_dim, part.in_proj_weight, part.in_proj_bias
            v = given @ weight[2 * k :].T + bias[2 * k :]
            out = (changed @ v.unflatten(2, (part.num_heads, -1)).transpose(1, 2)).transpose(1, 2).flatten(2)
            return out @ part.out_proj.weight.T + part.out_proj.bias, None
        k = given.shape[2]
        v = given @ part.qkv.weight[2 * k :].T + part.qkv.bias[2 * k :]
        out = (changed @ v.unflatten(2, (part.num_heads, -1)).transpose(1, 2)).transpose(1, 2).flatten(2)
        return out @ part.proj.weight.T + part.proj.bias

    handles = [
        part.register_forward_hook(swap),
        sites[block].block.register_forward_hook(lambda part, args, output: tokens.append(output)),
    ]
    network(x)
    for handle in handles:
        handle.remove()
    if isinstance(network, torchvision.models.VisionTransformer):
        return float(network.heads(network.encoder.ln(tokens[0])[:, 0])[0, 1])
    return float(network.forward_head(network.norm(tokens[0]))[0, 1])


@pytest.mark.parametrize("family", NETWORKS)
def test_scores_of_the_layers(family: str, x: Tensor) -> None:
    network = NETWORKS[family][0]()
    maps, by_block = found(network, x), list[Tensor]()
    with (
        borrowed(network),
        torch.no_grad(),
        watching(sites_of(network), None, lambda block, tokens: by_block.append(score(maps._read(tokens)))),
    ):
        network(x)
    scores = torch.stack(by_block)
    assert scores.shape == (2, 2)
    torch.testing.assert_close(scores[-1], network(x)[:, 1])
    assert not torch.allclose(scores[0], scores[1])


@pytest.mark.parametrize("family", NETWORKS)
@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_handed_back(family: str, error: type[BaseException] | None, x: Tensor) -> None:
    network = NETWORKS[family][0]().train()
    next(iter(network.children())).eval()
    fused = [getattr(part, "fused_attn", None) for part in network.modules()]
    before = state_of(network)
    maps = found(network, x)

    def fail(logits: Tensor) -> Tensor:
        if error is not None:
            raise error
        return logits[:, 0]

    maps.run(x)
    if error is None:
        maps.gradients(x, fail)
    else:
        with pytest.raises(error):
            maps.gradients(x, fail)
    assert_same(before, network)
    assert [getattr(part, "fused_attn", None) for part in network.modules()] == fused


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("family", ["timm", "torchvision, even heads"])
def test_half_precision_and_inference_mode(family: str, dtype: torch.dtype, x: Tensor) -> None:
    network = NETWORKS[family][0]()
    expected = found(network, x).gradients(x, score)
    network = network.to(dtype)
    with torch.inference_mode():
        maps = found(network, x.to(dtype))
        halves = maps.gradients(x.to(dtype), score)
        assert maps.run(x.to(dtype))[1][0].dtype == dtype
    for half, full in zip(halves, expected, strict=True):
        assert half.dtype == torch.float32
        torch.testing.assert_close(half, full, rtol=0.2, atol=0.1 * float(full.abs().max()))


def test_a_classifier_within_another_module(x: Tensor) -> None:
    inner = timm_vit()
    maps = found(nn.Sequential(nn.Identity(), inner), x)
    for a, b in zip(maps.gradients(x, score), found(inner, x).gradients(x, score), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("swin_tiny_patch4_window7_224", "attends within windows"),
        ("xcit_nano_12_p16_224", "attends from 1 to 197 tokens"),
        ("pvt_v2_b0", "attends from 3136 to 49 tokens"),
        ("cait_xxs24_224", "rows of its TalkingHeadAttn do not sum to 1"),
        ("test_resnet", "no attention whose probabilities can be caught"),
    ],
)
def test_attention_of_other_kinds(name: str, says: str) -> None:
    options = {"depth": 1} if "cait" in name or "xcit" in name else {}
    network = timm.create_model(name, num_classes=2, **options)
    reason = find_attention(network, torch.randn(1, 3, *network.pretrained_cfg["input_size"][1:]))
    assert isinstance(reason, str)
    assert says in reason


def test_sequence_first_has_maps_but_no_known_head(x: Tensor) -> None:
    maps = found(Own(), x)
    assert maps.why_no_gradients is not None
    assert "no final norm and head" in maps.why_no_gradients


def test_a_learned_key_beside_the_tokens_is_said(x: Tensor) -> None:
    network = Own(batch_first=True)
    for layer in network.blocks.layers:
        layer.self_attn = nn.MultiheadAttention(8, 2, batch_first=True, add_bias_kv=True)
    assert "attends from 16 to 17 tokens" in str(find_attention(network.eval(), x[:1]))


def test_checkpointing_does_not_show(x: Tensor) -> None:
    network = timm_vit()
    expected = found(network, x).gradients(x, score)
    network.set_grad_checkpointing(True)
    maps = found(network, x)
    for a, b in zip(maps.gradients(x, score), expected, strict=True):
        torch.testing.assert_close(a, b)
    logits, attentions = maps.run(x)
    assert all(gradient.any() for gradient in torch.autograd.grad(logits[:, 1].sum(), attentions))
    assert network.grad_checkpointing is True
