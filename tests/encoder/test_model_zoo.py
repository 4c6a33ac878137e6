"""Published models by name; nothing is downloaded here."""

import hashlib
import socket
from pathlib import Path

import pytest
import torch

from encoder.checkpoint.overrides import CheckpointOverrides
from encoder.checkpoint.safe_open import CheckpointMismatch
from encoder.model_zoo import (
    CARDS,
    ModelCard,
    available_models,
    find_card,
    find_model,
    load_model,
    models_folder,
)
from encoder.variants import find_variant

CKPT = Path(__file__).parent / "checkpoint/fixtures/ckpt"


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for files put there by hand, on a machine without a network."""
    monkeypatch.setenv("ENCODER_MODELS", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    for proxy in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(proxy, raising=False)

    def no_network(*_: object) -> None:
        raise socket.gaierror("no network")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    return tmp_path


def test_all_published_names_are_listed() -> None:
    names = available_models()
    of_mae_st = [
        name for name in names if name.startswith(("mae_", "vit_")) and name.count("_") == 2
    ]
    assert len([name for name in of_mae_st if CARDS[name].source == "eminorhan/video-models"]) == 24
    assert {"vit_s_none", "mae_say_none", "vit_kinetics-200h_ssv2-10shot"} <= set(names)
    assert "mae_s_ssv2-50shot" not in names
    assert len(names) == 24 + 12
    for card in CARDS.values():
        assert card.licence and CheckpointOverrides(**card.overrides)
        if card.variant:
            find_variant(card.variant)


def test_two_models_of_one_file_share_it() -> None:
    assert find_card("mae_s_none").file == find_card("vit_s_none").file == "s_none.pth"


def test_an_unknown_name_gives_the_nearest_ones() -> None:
    with pytest.raises(CheckpointMismatch, match="nearest: vit_s_none"):
        load_model("vit_s_non")
    with pytest.raises(CheckpointMismatch, match="no published model"):
        load_model("qqqqqqqqqqqqqqqqqqqq")


def test_without_network_the_error_says_which_file_goes_where(models: Path) -> None:
    with pytest.raises(CheckpointMismatch) as caught:
        load_model("vit_s_none")
    message = str(caught.value)
    assert "s_none.pth of eminorhan/video-models" in message and "(no network)" in message
    assert message.endswith(f"save it as {models / 'vit_s_none.pth'}") and "\n" not in message


def test_a_file_that_cannot_be_downloaded_names_its_page(models: Path) -> None:
    with pytest.raises(CheckpointMismatch, match=r"by hand from https://github\.com/isyangshu"):
        find_model("SurgVISTA")


def test_a_local_file_is_read_with_the_overrides_of_its_card(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "supervised_base_imagenet1k"
    card = find_card(name)
    small = card._replace(overrides={**card.overrides, "num_heads": 3})
    monkeypatch.setitem(CARDS, name, small)
    stored = torch.load(CKPT / "public_timm_clip_openai.pth", weights_only=True)
    without = {n: t for n, t in stored.items() if "norm_pre" not in n}
    torch.save({**without, "patch_embed.proj.bias": torch.zeros(48)}, models / f"{name}.bin")
    encoder, report = load_model(name)
    assert report.source.detected.name == "image"
    assert encoder.config.mean == (0.5, 0.5, 0.5)


def test_a_file_of_another_content_is_refused(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"these are the weights"
    card = ModelCard("a.pth", "https://x", "MIT", "", sha256=hashlib.sha256(content).hexdigest())
    monkeypatch.setitem(CARDS, "a", card)
    (models / "a.pth").write_bytes(content)
    assert find_model("a") == models / "a.pth"
    (models / "a.pth").write_bytes(content + b"!")
    with pytest.raises(CheckpointMismatch, match=r"is not the published a\.pth"):
        find_model("a")


def test_the_folder_of_a_former_version_stays_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ENCODER_MODELS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert models_folder() == tmp_path / "surgmask/models"
    (tmp_path / "surgical-video/models").mkdir(parents=True)
    assert models_folder() == tmp_path / "surgical-video/models"
    (tmp_path / "surgmask/models").mkdir(parents=True)
    assert models_folder() == tmp_path / "surgmask/models"
