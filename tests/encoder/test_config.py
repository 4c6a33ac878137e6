import pytest
from pydantic import ValidationError

from encoder.config import ENCODER_SIZES, EncoderConfig


def test_a_size_fills_in_its_numbers() -> None:
    config = EncoderConfig(size="giant")
    assert (config.embed_dim, config.depth, config.num_heads, config.patch_size) == (
        1408,
        40,
        16,
        14,
    )
    assert config.grid == (8, 16, 16)
    assert int(config.embed_dim * config.mlp_ratio) == 6144


def test_a_number_that_contradicts_the_size_is_refused() -> None:
    with pytest.raises(ValidationError, match="embed_dim 768 differs from that of size small"):
        EncoderConfig(size="small", embed_dim=768)
    assert EncoderConfig(size="small", embed_dim=384) == EncoderConfig(size="small")


def test_grid_of_a_clip_that_is_not_square() -> None:
    config = EncoderConfig(size="base", num_frames=8, image_size=(224, 384))
    assert config.grid == (4, 14, 24)
    assert config.tokens == 4 * 14 * 24
    assert EncoderConfig(image_size=96).image_size == (96, 96)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        (
            {"image_size": (224, 100)},
            "image_size 100 .columns. is not divisible by patch_size 16; use 96 or 112",
        ),
        ({"image_size": 8}, "use 16 or 16"),
        ({"num_frames": 7}, "num_frames 7 is not divisible by tubelet_size 2; use 6"),
        ({"num_heads": 5}, "num_heads 5 does not divide embed_dim 768"),
        ({"channels": 1}, "mean has 3 numbers, channels is 1"),
        ({"std": (0.2, 0.0, 0.2)}, "greater than 0"),
        ({"depth": 0}, "greater than 0"),
        ({"size": "tiny"}, "small"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(numbers: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        EncoderConfig(**numbers)


def test_every_size_has_heads_that_divide_its_width() -> None:
    for size in ENCODER_SIZES:
        assert EncoderConfig(size=size).embed_dim % EncoderConfig(size=size).num_heads == 0
