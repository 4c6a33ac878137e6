"""Files with no encoder, half of one, or two: an error of one line, and nothing is loaded."""

import argparse
import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from encoder.checkpoint.load import load_encoder
from encoder.checkpoint.overrides import CheckpointOverrides
from encoder.checkpoint.safe_open import CheckpointMismatch

CKPT = Path(__file__).parent / "fixtures/ckpt"
OVERRIDES = CheckpointOverrides(3, 4, (32, 32))


def tensors(stem: str) -> dict[str, torch.Tensor]:
    with torch.serialization.safe_globals([argparse.Namespace]):
        stored = torch.load(CKPT / f"public_{stem}.pth", weights_only=True)
    for wrapper in ("model", "module", "model_state"):
        stored = stored.get(wrapper, stored)
    return dict(stored)


def videomae() -> dict[str, torch.Tensor]:
    return tensors("videomae_k400_pretrain")


def halved() -> dict[str, torch.Tensor]:
    whole = videomae()
    return {name: whole[name] for i, name in enumerate(whole) if i % 2 or "blocks" not in name}


def with_nan() -> dict[str, torch.Tensor]:
    whole = videomae()
    whole["encoder.blocks.1.mlp.fc2.weight"][3, 5:7] = float("nan")
    return whole


def with_more(**more: tuple[int, ...]) -> dict[str, torch.Tensor]:
    return tensors("videomaev2_distilled") | {n: torch.ones(s) for n, s in more.items()}


def reshaped() -> dict[str, torch.Tensor]:
    whole = videomae()
    whole["encoder.blocks.0.mlp.fc2.weight"] = torch.ones(48, 191)
    return whole


def resnet() -> dict[str, torch.Tensor]:
    from torchvision.models import resnet18

    return resnet18().state_dict()


def text_model() -> dict[str, torch.Tensor]:
    from transformers import BertConfig, BertModel

    config = BertConfig(hidden_size=48, num_hidden_layers=2, num_attention_heads=3)
    return BertModel(config).state_dict()


def text_of_clip() -> dict[str, torch.Tensor]:
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(hidden_size=48, num_hidden_layers=2, num_attention_heads=3)
    return CLIPTextModel(config).state_dict()


CASES: dict[str, tuple[Callable[[], dict[str, torch.Tensor]], str]] = {
    "a ResNet": (resnet, "no video or image transformer.*122 tensors.*expected embed.weight or"),
    "a text model": (text_model, "no video or image transformer.*names like embeddings"),
    "the text half of CLIP": (text_of_clip, "no video or image transformer"),
    "half of the tensors": (halved, r"\d+ of the 30 tensors of this encoder are not in the file"),
    "values that are not numbers": (with_nan, "2 of the 9216 values of encoder.blocks.1.mlp.fc2"),
    "a tensor of another shape": (reshaped, "blocks.0.mlp.fc2.weight is 48x191.*needs 48x192"),
    "two encoders": (
        lambda: videomae() | tensors("videomaev2_distilled"),
        "has 2 encoders, timm under '.*' and timm under '.*'",
    ),
    "two layouts": (
        lambda: videomae() | tensors("openclip_openai"),
        "has 2 encoders, timm under 'encoder.' and open_clip under 'visual.'",
    ),
    "parts of another model": (
        lambda: with_more(**{"blocks.0.attn.rope": (4,), "register_tokens": (1, 4, 48)}),
        r"2 tensors are unknown in VideoMAE.* \(blocks.0.attn.rope, register_tokens\)",
    ),
    "a transformer of no family": (
        lambda: {n: t for n, t in tensors("timm_clip_openai").items() if n != "pos_embed"},
        "of no known family.*cls_token",
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_it_is_refused_in_one_line(tmp_path: Path, case: str, suffix: str) -> None:
    make, message = CASES[case]
    path = tmp_path / f"file.{suffix}"
    if suffix == "pth":
        torch.save({"model": make()}, path)
    else:
        save_file({name: tensor.contiguous() for name, tensor in make().items()}, path)
    with pytest.raises(CheckpointMismatch, match=message) as caught:
        load_encoder(path, overrides=OVERRIDES)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_large_numbers_in_names_and_metadata_cost_no_memory(tmp_path: Path) -> None:
    """A block's number, a depth or a clip length that the file has no tensors for."""
    path = tmp_path / "file.safetensors"
    for number in ("99999", "99999999999"):
        save_file(with_more(**{f"blocks.{number}.norm1.weight": (48,)}), path)
        with pytest.raises(CheckpointMismatch, match=r"contradict|unknown in"):
            load_encoder(path, overrides=OVERRIDES)
    with pytest.raises(CheckpointMismatch, match="tokens per clip, above 262144"):
        load_encoder(
            CKPT / "public_videomaev2_distilled.pth",
            overrides=CheckpointOverrides(3, 2**20, (32, 32)),
        )
    for depth, message in (
        (900, "depth is 900, but the file has 1 tensors"),
        (10**9, "encoder.depth: Input should be less than or equal to 1000"),
    ):
        config = {"embed_dim": 48, "num_heads": 3, "depth": depth}
        save_file({"embed.weight": torch.ones(48, 1536)}, path, {"encoder": json.dumps(config)})
        with pytest.raises(CheckpointMismatch, match=message):
            load_encoder(path)


@pytest.mark.parametrize("prefix", ["encoder.", "backbone.", "model.", "_orig_mod.", "a.b.model."])
@pytest.mark.parametrize("stem", ["videomaev2_distilled", "timm_clip_openai", "timesformer_k400"])
def test_a_family_is_detected_under_any_prefix(tmp_path: Path, prefix: str, stem: str) -> None:
    plain = {n.removeprefix("model."): t for n, t in tensors(stem).items()}
    paths = (tmp_path / "plain.safetensors", tmp_path / "prefixed.safetensors")
    save_file(plain, paths[0])
    save_file({prefix + name: tensor for name, tensor in plain.items()}, paths[1])
    one, other = (load_encoder(path, overrides=OVERRIDES) for path in paths)
    assert one.encoder.config == other.encoder.config
    torch.testing.assert_close(one.encoder.state_dict(), other.encoder.state_dict(), atol=0, rtol=0)


STEMS = sorted(path.stem.removeprefix("public_") for path in CKPT.glob("*.pth"))


@pytest.mark.parametrize("stem", STEMS)
def test_corrupted_files_are_refused_or_read_whole(tmp_path: Path, stem: str) -> None:
    """Tensors removed, renamed, cut or transposed."""
    rng = random.Random(stem)
    whole = tensors(stem)
    for i in range(40):
        broken = dict(whole)
        for name in rng.sample(sorted(broken), rng.choice([1, 2, 20])):
            tensor = broken.pop(name)
            shapes = {
                "cut": tensor.flatten()[: tensor.numel() // 2],
                "flat": tensor.flatten(),
                "deep": tensor[None, None],
                "turned": tensor.mT if tensor.ndim > 1 else tensor,
                "none": tensor.new_empty(0),
            }
            kind = rng.choice([*shapes, "gone", "renamed"])
            if kind in shapes:
                broken[name] = shapes[kind].contiguous()
            elif kind == "renamed":
                broken[name.replace("1", "7").replace("weight", "wieght")] = tensor
        path = tmp_path / f"{i}.safetensors"
        save_file({n: t.contiguous() for n, t in broken.items()}, path)
        try:
            encoder, _ = load_encoder(path, overrides=OVERRIDES)
        except CheckpointMismatch as error:
            assert "\n" not in str(error)
        else:
            assert not any(parameter.is_meta for parameter in encoder.parameters())


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    for suffix in ("pth", "safetensors"):
        path = tmp_path / f"file.{suffix}"
        torch.save(videomae(), path) if suffix == "pth" else save_file(videomae(), path)
        whole = path.read_bytes()
        for size in (0, 10, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:size])
            with pytest.raises(CheckpointMismatch, match=r"incomplete|has (no tensors|an object)"):
                load_encoder(path, overrides=OVERRIDES)


def test_an_unpublished_width_needs_its_heads() -> None:
    with pytest.raises(
        CheckpointMismatch, match=r"a width of 48 is not a published one; add num_h"
    ):
        load_encoder(CKPT / "public_videomaev2_distilled.pth")


def test_a_folder_of_zero_3_is_refused_with_a_cure(tmp_path: Path) -> None:
    folder = tmp_path / "global_step7"
    folder.mkdir()
    empty = {name: tensor.new_empty(0) for name, tensor in videomae().items()}
    torch.save({"module": empty}, folder / "zero_pp_rank_0_mp_rank_00_model_states.pt")
    (tmp_path / "latest").write_text("global_step7\n")
    with pytest.raises(CheckpointMismatch, match=r"zero_to_fp32.py"):
        load_encoder(tmp_path, overrides=OVERRIDES)


def test_a_folder_of_deepspeed_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "global_step7"
    folder.mkdir()
    file = folder / "mp_rank_00_model_states.pt"
    torch.save({"module": videomae(), "ds_version": "0.19.8", "optimizer": None}, file)
    (tmp_path / "latest").write_text("global_step7")
    encoder, report = load_encoder(tmp_path, overrides=OVERRIDES)
    assert report.source.file.files == [file]
    assert torch.equal(encoder.norm.weight.data, videomae()["encoder.norm.weight"])
    (tmp_path / "latest").write_text("../../etc/global_step7")
    assert load_encoder(tmp_path, overrides=OVERRIDES).report.source.file.files == [file]
    (tmp_path / "latest").write_text("latest")
    with pytest.raises(CheckpointMismatch, match="a folder without a checkpoint"):
        load_encoder(tmp_path, overrides=OVERRIDES)


def test_an_index_cannot_lead_out_of_its_folder(tmp_path: Path) -> None:
    save_file(videomae(), tmp_path / "secret.safetensors")
    folder = tmp_path / "model"
    folder.mkdir()
    index = folder / "model.safetensors.index.json"
    index.write_text('{"weight_map": {"a": "../secret.safetensors"}}')
    with pytest.raises(CheckpointMismatch, match=r"secret.safetensors: is missing"):
        load_encoder(folder, overrides=OVERRIDES)
    for text in ("[]", "{", '{"weight_map": {"a": 3}}', '{"weight_map": ["a"]}'):
        index.write_text(text)
        with pytest.raises(CheckpointMismatch, match="not an index of shards"):
            load_encoder(folder, overrides=OVERRIDES)


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_precision_is_read_as_float32(tmp_path: Path, half: torch.dtype) -> None:
    save_file({n: t.to(half) for n, t in videomae().items()}, tmp_path / "file.safetensors")
    encoder, _ = load_encoder(tmp_path / "file.safetensors", overrides=OVERRIDES)
    expected = videomae()["encoder.norm.weight"].to(half).float()
    assert encoder.norm.weight.dtype == torch.float32
    assert torch.equal(encoder.norm.weight.data, expected)


def test_weights_are_copies_of_the_file(tmp_path: Path) -> None:
    """The file may be deleted or overwritten while the encoder is trained."""
    path = tmp_path / "file.pth"
    torch.save(videomae(), path)
    encoder, _ = load_encoder(path, overrides=OVERRIDES)
    before = encoder.norm.weight.clone()
    with path.open("r+b") as file:
        file.write(os.urandom(path.stat().st_size))
    assert torch.equal(encoder.norm.weight, before)
    assert all(parameter.requires_grad for parameter in encoder.parameters())


def test_a_second_model_in_a_file_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "file.pth"
    torch.save({"model": videomae(), "model_ema": videomae(), "epoch": 3}, path)
    _, report = load_encoder(path, overrides=OVERRIDES)
    assert "the entry 'model_ema' has a model too; not read" in str(report)


def test_an_unfinished_run_is_refused_with_a_cure(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(CheckpointMismatch, match=r"unfinished run; .*`python -m launch consol"):
        load_encoder(tmp_path)
