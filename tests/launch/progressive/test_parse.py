"""What a chain file means, and the errors of a wrong one."""

from pathlib import Path

import pytest

from launch.progressive.chain import Chain, ChainError
from launch.progressive.parse import read_chain
from launch.recipe import load_recipe
from launch.yaml_text import dump_yaml
from pretrain.cli import RECIPES
from pretrain.config import PretrainConfig
from tests.launch.progressive.chains import write

WHOLE = """\
folder: some where/chain
processes: 2
sbatch: [--time=1:00:00]
stages:
  evaluate:
    program: finetune evaluate
    arguments: ["${second}/predictions.npz", --out, "${evaluate}", 1]
  first:
    program: pretrain
    recipe: demo
    set: &shared
      data.source: /videos
      optimizer.base_lr: 1.0e-5
      data.augmentation: {flip: 0.5}
  second:
    program: pretrain
    recipe: demo
    processes: 1
    sbatch: [--nodes=4]
    set:
      <<: *shared
      data.source: "12"
      init_from: ${first}/encoder.safetensors
"""


def read(folder: Path, text: str) -> Chain:
    return read_chain(write(folder / "chain.yaml", text))


def test_stages_run_after_those_that_they_refer_to(tmp_path: Path) -> None:
    chain = read(tmp_path, WHOLE)
    assert [stage.name for stage in chain.stages] == ["first", "second", "evaluate"]
    first, second, evaluate = chain.stages
    assert second.inputs[0][:2] == ("first", "encoder.safetensors")
    assert evaluate.inputs[0][:2] == ("second", "predictions.npz")
    assert [reference.line for stage in chain.stages for reference in stage.inputs] == [23, 7]
    assert [stage.name for stage in chain.dependents("first")] == ["second", "evaluate"]
    assert [str(output) for output in chain.outputs_of("first")] == ["first/encoder.safetensors"]
    assert (chain.processes, second.processes, first.processes) == (2, 1, None)
    assert (chain.sbatch, second.sbatch) == (("--time=1:00:00",), ("--nodes=4",))
    assert first.recipe == RECIPES / "demo.yaml" and evaluate.recipe is None


def test_commands_are_what_a_user_would_type(tmp_path: Path) -> None:
    first, second, evaluate = read(tmp_path, WHOLE).stages
    assert first.command == (
        "pretrain",
        "demo",
        "data.source=/videos",
        "optimizer.base_lr=1.0e-05",
        "data.augmentation={flip: 0.5}",
        "run=some where/chain/first",
    )
    assert second.command[2] == "data.source='12'"  # its own, and still text
    assert second.command[-2] == "init_from=some where/chain/first/encoder.safetensors"
    assert second.template[-2:] == ("init_from=${first}/encoder.safetensors", "run")
    assert evaluate.command == (
        "finetune",
        "evaluate",
        "some where/chain/second/predictions.npz",
        "--out",
        "some where/chain/evaluate",
        "1",
    )


def test_settings_mean_the_same_on_the_command_line(tmp_path: Path) -> None:
    odd = ["a: b", "{x}", "yes", "1e-3", "007", " # ", "2001-01-01", "ä\n'\"", "null", ""]
    for text in odd:
        folder = str(tmp_path / text)
        stage = {"program": "pretrain", "recipe": "demo", "set": {"data.source": text}}
        chain = read(tmp_path, dump_yaml({"folder": folder, "stages": {"first": stage}}))
        (only,) = chain.stages
        config = load_recipe(PretrainConfig, only.command[1], only.command[2:], RECIPES)
        assert (config.data.source, config.run) == (text, f"{folder}/first")


def test_without_a_folder_the_file_names_it(tmp_path: Path) -> None:
    chain = read(tmp_path, "stages: {a: {program: masking}}")
    assert chain.folder == Path("runs/chain") and chain.stages[0].command == ("masking",)


A = "stages:\n  a:\n    program: masking\n"
REFUSED = [
    ("", 1, "is empty; a chain needs the key stages"),
    ("- a", 1, "a chain must be a mapping of keys, not a list"),
    ("folder: x", 1, "a chain needs the key stages"),
    ("folder: x\nstages:\n", 2, "stages: is empty; give at least one stage"),
    ("folder: x\nstages: {}\n", 2, "stages: is empty; give at least one stage"),
    ("stages: [a]", 1, "stages must be a mapping of keys, not a list"),
    (A + "folders: x", 4, "folders: a chain has no such key; did you mean folder?"),
    (A + "    recipes: x", 4, "recipes: stage a has no such key; did you mean recipe?"),
    (A + "    program: video", 4, "program is given twice, first in line 3; remove one"),
    (A + "  a: {program: video}", 4, "a is given twice, first in line 2; remove one"),
    (A + "    arguments: x", 4, "arguments must be a list, not 'x'"),
    (A + "    arguments: [[x]]", 4, "an argument must be text, not a list"),
    (A + "    arguments:\n      - x\n      -", 6, "an argument must be text, not nothing"),
    (A + "    set: {x: 1}", 4, "set: it changes keys of a recipe; add the key recipe"),
    (A + "    processes: 2", 4, "processes: a stage without a recipe is a single process"),
    (A + "processes: 0", 4, "processes: '0' is refused; give a number from 1"),
    (A + "processes: two", 4, "processes: 'two' is refused; give a number from 1"),
    (A + "  b/c: {program: masking}", 4, "'b/c' is not a stage name; use letters, digits"),
    (A + "  b.old-1: {program: masking}", 4, "'b.old-1' is not a stage name"),
    (A + "  b: {}", 4, "stage b: program is missing; add one, such as pretrain"),
    (A + "  b: {program: finetun}", 4, "program 'finetun': is unknown; did you mean finetune?"),
    (A + "  b: {program: ''}", 4, "program '': is unknown; there are encoder, finetune,"),
    (A + "  b: {program: os, arguments: [x]}", 4, "program 'os': is unknown; there are"),
    (A + "    arguments: ['${b}/x']", 4, "${b}: no stage is called 'b'; there are a"),
    (A + "    arguments: ['${a}x']", 4, "'${a}x': only a path in that folder may follow ${a}"),
    (A + "    arguments: ['${a}/x,${a}/y']", 4, "only a path in that folder may follow ${a}"),
    (A + "    arguments: ['${a}/../x']", 4, "only a path in that folder may follow ${a}"),
    (A + "    arguments: [${a}/x]", 4, 'write "${stage}/file" in quotation marks'),
    (A + "    arguments: &x [*x]", 4, "an anchor refers to itself; remove the reference"),
    ("stages: &x\n  <<: *x", 2, "an anchor refers to itself; remove the reference"),
    ("a: b: c", 1, "is not YAML (mapping values are not allowed here)"),
]


@pytest.mark.parametrize(("text", "line", "message"), REFUSED)
def test_an_error_in_a_chain_names_its_line(
    tmp_path: Path, text: str, line: int, message: str
) -> None:
    with pytest.raises(ChainError) as refused:
        read(tmp_path, text)
    error = str(refused.value)
    assert error.startswith(f"{tmp_path}/chain.yaml:{line}: ") and message in error
    assert "\n" not in error and refused.value.exit_status == 2


RUN = "stages:\n  a:\n    program: pretrain\n    recipe: demo\n"
REFUSED_RUNS = [
    (RUN.replace("demo", "dmo"), 4, "recipe 'dmo': no such file, nor one of base, demo"),
    (RUN + "    arguments: [x]", 5, "arguments: a stage has either recipe and set, or arguments"),
    (RUN + "    set: {run: x}", 5, "run: is always runs/chain/a in a chain; remove this key"),
    (RUN + "    set: {a=b: x}", 5, "a=b: a setting is written key.path: value"),
    (RUN + "    set:\n      a: 1\n      a: 2", 7, "a is given twice, first in line 6; remove one"),
    (RUN + "    set:\n      a:\n        b: '${c}'", 7, "${c}: no stage is called 'c'"),
    (RUN + "    set: {a: &x [1, *x]}", 5, "an anchor refers to itself"),
    (
        RUN + "    set: {a: !!python/name:os.system x}",
        5,
        "!!python/name:os.system is a tag",
    ),
    (RUN + "    set: {a: !secret x}", 5, "!secret is a tag, and tags are not supported"),
    (RUN + "    set: {a: 0600}", 5, "0600 is ambiguous: YAML 1.1 reads it as octal"),
    (RUN + "    set: {a: 1:30}", 5, "1:30 is ambiguous: YAML 1.1 reads it in base 60"),
    (RUN + f"    set: {{a: {'1' * 6000}}}", 5, "(6000 characters) does not fit in 64 bits"),
    (RUN + f"    set: {{a: {'[' * 60}", 5, "is nested more than 50 levels deep"),
    (RUN + '    set: {a: "x\\0y"}', 5, "has a null character; remove it"),
    (RUN + "    set: {[1]: x}", 5, "a key of set must be a word, not a list"),
    (RUN + "    set: {init_from: ${a}}", 5, 'write "${stage}/file" in quotation marks'),
]


@pytest.mark.parametrize(("text", "line", "message"), REFUSED_RUNS)
def test_an_error_in_settings_names_its_line(
    tmp_path: Path, text: str, line: int, message: str
) -> None:
    test_an_error_in_a_chain_names_its_line(tmp_path, text, line, message)


def test_a_cycle_of_stages_is_refused_by_name(tmp_path: Path) -> None:
    text = A + "".join(
        f"  {name}:\n    program: masking\n    arguments: ['${{{other}}}']\n"
        for name, other in (("d", "b"), ("b", "c"), ("c", "b"))
    )
    cycle = r"chain\.yaml:9: stages refer to each other in a cycle, b -> c -> b; "
    with pytest.raises(ChainError, match=cycle):
        read(tmp_path, text)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ChainError, match=r"absent.yaml: cannot be read"):
        read_chain(tmp_path / "absent.yaml")
    (tmp_path / "latin.yaml").write_bytes("ä: 1".encode("latin-1"))
    with pytest.raises(ChainError, match=r"latin.yaml: is not UTF-8 "):
        read_chain(tmp_path / "latin.yaml")
