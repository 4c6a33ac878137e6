"""The container recipes copy the whole program and install what requirements.txt says."""

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT

FOLDER = ROOT / "launch/container"
DOCKERFILE, DEFINITION = FOLDER / "Dockerfile", FOLDER / "surgmask.def"
INSTALL = "python3 -m pip install --no-cache-dir -r /opt/surgmask/requirements.txt"
PROGRAM = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}


def copied(recipe: Path) -> set[str]:
    """What a recipe copies from the repository."""
    lines = [line.strip() for line in recipe.read_text().splitlines()]
    if recipe == DOCKERFILE:
        words = [line.split()[1:-1] for line in lines if line.startswith("COPY ")]
        return {source for sources in words for source in sources}
    section = lines[lines.index("%files") + 1 : lines.index("%post")]
    pairs = [line.split() for line in section if line]
    assert all(len(pair) == 2 for pair in pairs), "a source and a destination on each line"
    return {source for source, _ in pairs}


@pytest.mark.parametrize("recipe", [DOCKERFILE, DEFINITION], ids=lambda path: path.name)
def test_a_container_has_the_whole_program(recipe: Path) -> None:
    sources = copied(recipe)
    assert sources >= PROGRAM | {"requirements.txt", "supported_python.py"}
    assert all((ROOT / source).exists() for source in sources)
    text = recipe.read_text()
    assert INSTALL in text and "PYTHONPATH=/opt/surgmask" in text and "--shm-size" in text


def test_both_have_the_same_base_and_packages() -> None:
    docker, apptainer = DOCKERFILE.read_text(), DEFINITION.read_text()
    (base,) = re.findall(r"ARG BASE=(\S+)", docker)
    assert f"From: {base}" in apptainer
    packages = [
        re.findall(r"--no-install-recommends ([a-z+ ]*[a-z+])", text)
        for text in (docker, apptainer)
    ]
    assert packages[0] == packages[1] != []


def test_docker_sees_what_its_recipe_copies() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert lines[1] == "*" and allowed == copied(DOCKERFILE)
