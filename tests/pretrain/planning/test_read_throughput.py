"""The assumed speed of reading, beside what was measured."""

from dataclasses import replace

import pytest

from launch.recipe import load_recipe
from pretrain.cli import RECIPES
from pretrain.config import PretrainConfig
from pretrain.planning.read_throughput import (
    FORMS,
    RecordingForm,
    core_rate,
    cores_needed,
    describe_reading,
)

# milliseconds per clip in benchmarks/README.md, with 1 and with 4 clips per read
MEASURED = {
    "prepared, JPEG": (6.1, 2.5),
    "prepared, H.264": (12.9, 4.0),
    "original, 480p": (241, 63),
    "original, 1080p": (816, 210),
}


@pytest.fixture(scope="module")
def base() -> PretrainConfig:
    return load_recipe(PretrainConfig, "surgery_base", ["run=none", "data.source=none"], RECIPES)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_a_core_reads_as_measured(base: PretrainConfig, form: RecordingForm) -> None:
    for clips, milliseconds in zip((1, 4), MEASURED[form.name], strict=True):
        config = replace(base, data=replace(base.data, clips_per_read=clips))
        assert 1000 / core_rate(config, form) == pytest.approx(milliseconds, rel=0.06)


def test_longer_clips_take_longer(base: PretrainConfig) -> None:
    longer = replace(base, encoder=replace(base.encoder, num_frames=32))
    assert core_rate(longer, FORMS[0]) == pytest.approx(core_rate(base, FORMS[0]) / 2)


def test_base_at_2500_clips_per_second_needs_tens_of_cores(base: PretrainConfig) -> None:
    alone = replace(base, data=replace(base.data, clips_per_read=1))
    jpeg, h264 = (cores_needed(alone, form, 2500) for form in FORMS[:2])
    assert 15 <= jpeg < h264 <= 40


def test_the_table_says_where_reading_is_the_limit(base: PretrainConfig) -> None:
    lines = list(describe_reading(base, 12, 2767))
    assert [line.rpartition("  ")[2] for line in lines[2:6]] == [
        "training",
        "training",
        "reading: 7% of the clips/s",
        "reading: 2% of the clips/s",
    ]
