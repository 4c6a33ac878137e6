"""Every shipped recipe: valid, able to be built, and with the cost that its header states."""

import importlib.util
import re
from pathlib import Path

import pytest
import torch
import yaml

from launch.errors import ConfigError
from launch.recipe import dump_recipe, key_paths, load_recipe, read_resolved, validate
from launch.training.lr_schedule import peak_learning_rate
from pretrain.autoencoder import MaskedAutoencoder
from pretrain.cli import RECIPES, main
from pretrain.config import PretrainConfig
from pretrain.flops import forward_cost
from tests.pretrain.runs import words

NAMES = sorted(path.stem for path in RECIPES.glob("*.yaml"))


def load(name: str, *overrides: str) -> PretrainConfig:
    return load_recipe(PretrainConfig, name, overrides, RECIPES, run="runs/test")


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_builds_and_its_resolved_form_is_the_same(name: str) -> None:
    config = load(name)
    with torch.device("meta"):
        MaskedAutoencoder(config.encoder, config.decoder, config.target)
    assert validate(PretrainConfig, yaml.safe_load(dump_recipe(config))) == config


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_states_its_command_and_its_cost(name: str) -> None:
    header = "".join(
        line for line in (RECIPES / f"{name}.yaml").read_text().splitlines(True) if line[0] == "#"
    )
    assert re.search(r"launch/(local\.sh pretrain|slurm/)", header)
    assert f" {name} data.source=" in header
    config = load(name)
    cost = forward_cost(
        config.encoder,
        config.decoder,
        config.masking.counts(config.encoder.grid),
        config.target,
    )
    pattern = r"Cost: ([\d.]+) GMAC per clip \(forward\), ([\d.]+) TFLOP per clip \(training\)"
    stated = re.search(pattern, header)
    assert float(stated[1]) == pytest.approx(cost.total / 1e9, rel=0.02)
    assert float(stated[2]) == pytest.approx(cost.training_flops / 1e12, rel=0.05)


@pytest.mark.parametrize(
    ("name", "clips", "peak", "least"),
    [
        ("base", 4096, 4e-3, 4e-5),
        ("large", 6144, 6e-3, 6e-5),
        ("huge", 8192, 8e-3, 8e-5),
        ("giant", 8192, 4.8e-3, 8e-5),
        ("small", 1024, 6e-4, 4e-5),
    ],
)
def test_learning_rates_are_upstreams(name: str, clips: int, peak: float, least: float) -> None:
    config = load(name)
    assert config.batch.global_batch_size == clips
    assert peak_learning_rate(config.optimizer, clips) == pytest.approx(peak)
    assert config.optimizer.min_lr * clips / 256 == pytest.approx(least)


def test_every_configuration_class_refuses_unknown_keys() -> None:
    paths = [path.replace("NAME", "a") for path in key_paths(PretrainConfig) if "[]" not in path]
    for group in sorted({path.rpartition(".")[0] for path in paths if "." in path}):
        with pytest.raises(ConfigError, match=rf"{group}\.nonsense: no such key"):
            load("demo", f"{group}.nonsense=1")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("encoder.image_size=100", "image_size 100 (rows) is not divisible by patch"),
        ("encoder.num_heads=5", "num_heads 5 does not divide embed_dim"),
        ("decoder.num_heads=7", "num_heads 7 does not divide embed_dim"),
        ("masking.encoder.ratio=1.5", "masking.encoder.ratio: 1.5 is refused"),
        ("masking.decoder.ratio=0.9", "0.25, 0.5"),
        ("masking.encoder.kind=tubes", "masking.encoder"),
        (
            "masking.encoder.random_phase=true",
            "masking.encoder.random_phase: is a key of another kind",
        ),
        ("masking.encoder.ratio=0.001", "masking: "),
        ("log.loggers=[{kind: wandb, nonsense: 1}]", "log.loggers.0.nonsense: no such key"),
        ("log.loggers.0.kind=wandb", "log.loggers: needs a list, such as [a, b]"),
        (
            "batch.micro_batch_size=3",
            "batch.micro_batch_size 3 is not a multiple of data.clips_per_read",
        ),
        ("data.sampling.stride=4", "stride"),
        ("engine.zero_stage=4", "engine.zero_stage: 4 is refused"),
        ("schedule.epochs=3", "steps 600 and epochs 3 are both given; set schedule.steps=null or"),
        (
            "data.sampling.stride=4",
            "data.sampling: frame_rate 6.25 and stride 4 are both given; set "
            "data.sampling.frame_rate=null or data.sampling.stride=null",
        ),
        (
            "data={source: a, sources: {pig: {path: b}}}",
            "data: source a and sources pig are both given; set data.source=null or "
            "data.sources={}",
        ),
        ("optimizer.base_lr=-1", "optimizer.base_lr: -1 is refused"),
    ],
)
def test_a_wrong_setting_is_refused_in_one_line(override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load("demo", override)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_check_may_stand_anywhere(place: int, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["demo", "data.source=/videos", "seed=1"]
    main([*words[:place], "--check", *words[place:]])
    assert capsys.readouterr().out == "demo: valid\n"


def test_check_refuses_what_the_start_refuses(finished: Path, monkeypatch, capsys) -> None:
    """With the words of the start, and without writing anything."""
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    same = words(
        Path(read_resolved(PretrainConfig, finished / "config.yaml").data.source), finished
    )
    capsys.readouterr()
    main([*same, "log.every_steps=3", "--check"])
    changed, valid = capsys.readouterr().out.splitlines()
    assert changed.startswith("changed: log.every_steps was ") and changed.endswith(", is 3")
    assert valid == "demo: valid"
    refused = {
        "batch.global_batch_size=17": "batch.global_batch_size: 17 is not a multiple of",
        "seed=3": "holds a run of another configuration (seed was 0, is 3)",
        "schedule.steps=1": "schedule.steps: 1 is less than the",
        "checkpoint.resume=never": "already holds a run; give another run=FOLDER",
        "log.loggers=[wandb]": "log.loggers: the package wandb is not installed",
    }
    for word, message in refused.items():
        if word == "log.loggers=[wandb]" and importlib.util.find_spec("wandb"):
            continue
        with pytest.raises(ConfigError) as by_check:
            main([*same, word, "--check"])
        assert message in str(by_check.value)
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    monkeypatch.setenv("MASTER_PORT", "1")
    with pytest.raises(ConfigError, match="micro_batch_size 2 x 3 processes"):
        main([*same, "--check"])
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*")} == before
