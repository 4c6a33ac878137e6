"""`python -m pretrain reconstruct`, as it is called."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from encoder.config import EncoderConfig
from pretrain.autoencoder import MaskedAutoencoder
from pretrain.checkpoint.formats import write_autoencoder
from pretrain.cli import main
from pretrain.config import DecoderConfig, PretrainConfig
from pretrain.data_config import PretrainDataConfig
from tests.conftest import ROOT
from tests.pretrain.runs import run_alone
from video.readers.probe import probe

SEEDS = ROOT / "tests/encoder/checkpoint/fixtures/seeds"
OVERRIDES = (
    "--override",
    "num_heads=3",
    "--override",
    "num_frames=4",
    "--override",
    "image_size=64",
)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file in VideoMAE's layout, of random weights."""
    encoder = EncoderConfig(
        embed_dim=48, depth=2, num_heads=3, num_frames=4, image_size=64, patch_size=16
    )
    decoder = DecoderConfig(embed_dim=64, depth=1, num_heads=1)
    config = PretrainConfig(
        run="r", data=PretrainDataConfig(source="s"), encoder=encoder, decoder=decoder
    )
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("published") / "vit.pth"
    write_autoencoder("videomae", file, MaskedAutoencoder(encoder, decoder).state_dict(), config)
    return file


def called(*words: object) -> None:
    main(["reconstruct", *map(str, words)])


def test_a_run_is_reconstructed_with_its_own_mask(
    finished: Path, operations: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    called(finished, operations, "--recordings", 1, "--out", tmp_path, "--seed", 3)
    output = capsys.readouterr().out
    assert "hidden: tube 0.75, 24 of 32 tokens" in output and "step 6" in output
    (picture,) = tmp_path.glob("*.png")
    assert picture.stem.endswith("_tube_0.75") and np.asarray(Image.open(picture)).std() > 20
    film = probe(str(picture.with_suffix(".mp4")), 1.0)
    assert film.fps == pytest.approx(6.25, rel=1e-3) and film.seconds > 5
    again = tmp_path / "again"
    called(finished, operations, "--recordings", 1, "--out", again, "--seed", 3)
    assert (again / picture.name).read_bytes() == picture.read_bytes()
    called(finished, operations, "--recordings", 1, "--out", tmp_path / "other", "--seed", 4)
    (other,) = (tmp_path / "other").glob("*.png")
    assert other.read_bytes() != picture.read_bytes()


@pytest.mark.parametrize(
    ("words", "hidden"),
    [
        (("--mask", "temporal", "--ratio", 0.5), "temporal 0.5, 16 of 32"),
        (("--mask", "center", "--ratio", 0.3, "--no-snap"), "center 0.3, 10 of 32"),
        (("--ratio", 0.5), "tube 0.5, 16 of 32"),
        (("--mask", "random"), "random 0.9, 29 of 32"),
    ],
)
def test_the_mask_can_be_chosen(
    published: Path,
    operations: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[object, ...],
    hidden: str,
) -> None:
    video = sorted(operations.glob("*.mp4"))[0]
    called(published, video, *OVERRIDES, *words, "--out", tmp_path, "--style", "classic")
    assert f"hidden: {hidden}" in capsys.readouterr().out
    (picture,) = tmp_path.glob("*.png")
    assert Image.open(picture).size == (4 * 65 + 1, 3 * 65 + 1)


def test_files_of_mae_st_are_reconstructed(
    operations: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("public_mae_st_mae", "public_normpix_pred8_mae_st_mae"):
        called(
            SEEDS / f"{name}.safetensors",
            sorted(operations.glob("*.mp4"))[0],
            "--at",
            0,
            "--override",
            "num_heads=4",
            "--decoder-heads",
            4,
            "--out",
            tmp_path / name,
        )
        (picture,) = (tmp_path / name).glob("*.png")
        assert np.asarray(Image.open(picture)).std() > 20
    assert "target standardised_pixels" in capsys.readouterr().out


def test_recordings_of_one_name_do_not_overwrite_each_other(
    published: Path, operations: Path, tmp_path: Path
) -> None:
    video = sorted(operations.glob("*.mp4"))[0]
    (tmp_path / "b").mkdir()
    copy = tmp_path / "b" / video.name
    copy.write_bytes(video.read_bytes())
    called(published, video, copy, *OVERRIDES, "--out", tmp_path / "out")
    assert len(list((tmp_path / "out").glob("*.png"))) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("{file}", "{video}", *OVERRIDES, "--mask", "tub"),
            "--mask tub: is none of .*nearest: tube",
        ),
        (("{file}", "{video}", *OVERRIDES, "--ratio", "1.5"), "ratio 1.5: .*above 0 and below 1"),
        (
            ("{file}", "{video}", *OVERRIDES, "--mask", "center"),
            "2 token frames, but this mask needs 3",
        ),
        (("{file}", "{broken}", *OVERRIDES), r"broken\.mp4: "),
        (
            ("{run}/encoder.safetensors", "{video}"),
            "has an encoder but no decoder of a known format",
        ),
        (
            (
                "{mae_st}",
                "{video}",
                "--override",
                "num_heads=4",
                "--override",
                "num_frames=8",
                "--decoder-heads",
                "4",
            ),
            r"--override num_frames=8 contradicts the checkpoint \(16\); remove it",
        ),
        (("{run}", "{video}", "--at", "999"), "--at 999: .*ends at"),
        (("{video}", "{video}"), "."),
        (("{run}", "{video}", "--out", "{broken}"), r"--out .*broken\.mp4: cannot be written"),
    ],
)
def test_wrong_input_is_refused_in_one_line(
    finished: Path,
    published: Path,
    operations: Path,
    tmp_path: Path,
    words: tuple[str, ...],
    message: str,
) -> None:
    video = sorted(operations.glob("*.mp4"))[0]
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(video.read_bytes()[:2000])
    places = {
        "file": published,
        "video": video,
        "broken": broken,
        "run": finished,
        "mae_st": SEEDS / "public_mae_st_mae.safetensors",
    }
    command = [word.format(**places) for word in words]
    with pytest.raises(Exception, match=message) as raised:
        called("--out", tmp_path / "out", *command)
    assert getattr(raised.value, "exit_status", None) == 2
    assert "\n" not in str(raised.value)


def test_the_program_ends_with_status_2(published: Path, tmp_path: Path) -> None:
    done = run_alone(["reconstruct", str(published), str(tmp_path / "no"), *OVERRIDES])
    assert done.returncode == 2
    assert done.stderr.strip().endswith("no such file or folder")
    assert len(done.stderr.strip().splitlines()) == 1
