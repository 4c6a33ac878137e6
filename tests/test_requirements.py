"""The lowest versions that are tested are the lower bounds that users are promised."""

from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
NOT_IN_TESTS = {"mypy", "ruff", "types-PyYAML"}


def requirements(file: str) -> list[Requirement]:
    lines = (line.partition("#")[0].strip() for line in (ROOT / file).read_text().splitlines())
    return [Requirement(line) for line in lines if line]


def bounds(operator: str, *files: str) -> dict[str, str]:
    """The version that stands after an operator, by package."""
    return {
        each.name: specifier.version
        for file in files
        for each in requirements(file)
        for specifier in each.specifier
        if specifier.operator == operator
    }


def test_the_lowest_versions_are_the_lower_bounds() -> None:
    lower = bounds(">=", "requirements.txt", "requirements-dev.txt")
    pins = bounds("==", "requirements-lowest.txt")
    assert pins.keys() == lower.keys() - NOT_IN_TESTS
    for name, bound in lower.items():
        if name in pins:
            parts = pins[name].split(".")
            assert parts[: len(bound.split("."))] == bound.split("."), name
            assert not any(map(int, parts[len(bound.split(".")) :])), name


def test_every_requirement_has_a_lower_bound() -> None:
    files = ("requirements.txt", "requirements-dev.txt", "requirements-optional.txt")
    for file in files:
        assert bounds(">=", file).keys() == {each.name for each in requirements(file)}
    assert "deepspeed" in bounds("<", "requirements.txt")  # its undocumented names are in use
