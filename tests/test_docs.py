"""The documents: every link leads somewhere, every command is one that the programs accept."""

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import encoder.cli
import finetune.cli_args
import launch.cli
import launch.doctor.cli
import launch.progressive.cli
import launch.report.cli
import masking.__main__
import pretrain.cli
import pretrain.planning.cli_args
import pretrain.reconstruction.cli_args
import video.cli_args
from finetune.config import FinetuneConfig
from launch.recipe import load_recipe
from pretrain.config import PretrainConfig
from tests.conftest import ROOT
from tests.markdown import code_blocks

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
SHELL = re.compile(r"^(python -m|launch/local|torchrun|deepspeed|sbatch|make|PROCESSES=)", re.M)
RECORD = f"""#!{sys.executable}
import json, os, sys
words = [os.path.basename(sys.argv[0]), *sys.argv[1:]]
with open(os.environ["RECORD"], "a") as file:
    file.write(json.dumps(words) + "\\n")
"""
STUBS = ("python", "torchrun", "deepspeed", "sbatch", "make", "git", "tensorboard", "local.sh")


def identifier(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str = "") -> list[str]:
    """The code blocks of a page with this language tag."""
    return [block.code for block in code_blocks(page.read_text()) if block.language == language]


def commands(block: str, folder: Path) -> list[list[str]]:
    """The commands that a shell block runs, with variables and loops expanded."""
    binaries = folder / "bin"
    (folder / "launch/slurm").mkdir(parents=True)
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / ".venv/bin/activate").touch()
    (folder / "surgmask").mkdir()
    binaries.mkdir()
    for name in STUBS:
        file = (folder / "launch" if name == "local.sh" else binaries) / name
        file.write_text(RECORD)
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
    record = folder / "record.jsonl"
    record.touch()
    subprocess.run(
        ["bash", "-e", "-c", block.replace("cd surgmask", "true")],
        cwd=folder,
        env={
            "PATH": f"{binaries}:/usr/bin:/bin",
            "RECORD": str(record),
            "HOME": os.environ["HOME"],
        },
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return [json.loads(line) for line in record.read_text().splitlines()]


def program_of(words: list[str]) -> tuple[str, list[str]] | None:
    """The program that a command starts, under whatever launcher, and its own words."""
    if words[0] in ("local.sh", "sbatch"):
        begin = 1 if words[0] == "local.sh" else 2
        return words[begin], words[begin + 1 :]
    for option in ("-m", "--module"):
        if option in words and words[0] in ("python", "torchrun", "deepspeed"):
            at = words.index(option)
            return words[at + 1], words[at + 2 :]
    return None


def check_pretrain(words: list[str]) -> None:
    parsers = {
        "plan": pretrain.planning.cli_args.plan_parser,
        "export": pretrain.cli.export_parser,
        "reconstruct": pretrain.reconstruction.cli_args.reconstruct_parser,
    }
    if words[0] not in parsers:
        check_recipe(PretrainConfig, pretrain.cli.RECIPES, words)
        return
    options = parsers[words[0]]().parse_intermixed_args(words[1:])
    if words[0] == "plan":
        check_recipe(PretrainConfig, pretrain.cli.RECIPES, [options.recipe, *options.overrides])


def check_finetune(words: list[str]) -> None:
    if words[0] in finetune.cli_args.COMMANDS:
        finetune.cli_args.command_parser(words[0]).parse_intermixed_args(words[1:])
    else:
        check_recipe(FinetuneConfig, ROOT / "finetune/recipes", words)


def check_recipe(cls: type, recipes: Path, words: list[str]) -> None:
    if words[0] == "--help":
        return
    named = [word for word in words if word != "..."]
    given = {word.partition("=")[0] for word in named}
    more = [f"{key}=x" for key in ("run",) if key not in given]
    if cls is PretrainConfig and not any(key.startswith("data.source") for key in given):
        more.append("data.source=x")
    load_recipe(cls, named[0], [*more, *named[1:]], recipes, warn=pytest.fail)


def check_launch(words: list[str]) -> None:
    parsers = {
        "doctor": launch.doctor.cli.parser,
        "progressive": launch.progressive.cli.parser,
        "report": launch.report.cli.parser,
    }
    if words[0] in parsers:
        own = words[1 : words.index("--")] if "--" in words else words[1:]
        parsers[words[0]]().parse_args(own)
    else:
        launch.cli.parser().parse_args(words)


CHECKS: dict[str, Callable[[list[str]], object]] = {
    "pretrain": check_pretrain,
    "finetune": check_finetune,
    "launch": check_launch,
    "video": lambda words: video.cli_args.parser().parse_args(words),
    "encoder": encoder.cli.parse,
    "masking": lambda words: masking.__main__._build_parser(),
}


@pytest.mark.parametrize("page", PAGES, ids=identifier)
def test_commands_are_those_of_the_programs(page: Path, tmp_path: Path) -> None:
    for number, block in enumerate(each for each in blocks(page) if SHELL.search(each)):
        folder = tmp_path / str(number)
        folder.mkdir()
        for words in commands(block, folder):
            found = program_of(words)
            if found is None or found[0].startswith("benchmarks."):
                continue
            program, own = found
            if "--plugins" in own:  # tests/test_extending.py runs these
                continue
            try:
                CHECKS[program](own)
            except SystemExit as error:
                if error.code:
                    pytest.fail(f"{page.name}: {' '.join(words)}")


@pytest.mark.parametrize("page", PAGES, ids=identifier)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        path, _, anchor = target.partition("#")
        if "://" in path:
            continue
        file = page.parent / path if path else page
        assert file.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.*)$", file.read_text(), re.M)
            slugs = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
            assert anchor in slugs, target


def test_the_readme_is_one_page() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_every_page_is_linked_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    missing = [page.name for page in PAGES[2:] if f"docs/{page.name}" not in readme]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=identifier)
def test_no_page_speaks_of_former_commands(page: Path) -> None:
    former = ("pretrain completion", "launch plan", "encoder attention", "--told", "chain.sh")
    assert [words for words in former if words in page.read_text()] == []
