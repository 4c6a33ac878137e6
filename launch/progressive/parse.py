"""Reads a chain file; every error names the file, the line and the cure."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from launch.errors import ConfigError
from launch.nearest import nearest
from launch.progressive.chain import Chain, ChainError, Reference, Stage, sort_by_dependency
from launch.recipe import find_recipe
from launch.text_file import read_text_file
from launch.yaml_file import YamlEntry, YamlFile, is_null
from launch.yaml_nodes import YamlMapping
from launch.yaml_text import dump_flow

ROOT = Path(__file__).parent.parent.parent
PROGRAMS = tuple(sorted(file.parent.name for file in ROOT.glob("*/__main__.py")))
CHAIN_KEYS = ("folder", "processes", "sbatch", "stages")
STAGE_KEYS = ("program", "recipe", "set", "arguments", "processes", "sbatch")
RUN_KEY = "run"
STAGE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
REFERENCE = re.compile(r"\$\{([^}]*)\}(.*)", re.DOTALL)


def read_chain(path: Path) -> Chain:
    """Raises ChainError with file and line."""
    file = YamlFile(str(path), ChainError)
    root = file.parse(read_text_file(path, ChainError))
    if root is None:
        raise file.error(1, "is empty; a chain needs the key stages")
    entries = file.entries(root, "a chain", CHAIN_KEYS)
    if "stages" not in entries:
        raise file.error(1, "a chain needs the key stages")
    stages = entries["stages"]
    if is_null(stages.node) or (isinstance(stages.node, YamlMapping) and not stages.node.pairs):
        raise file.error(stages.line, "stages: is empty; give at least one stage")
    by_name = file.entries(stages.node, "stages")
    folder = Path("runs") / path.stem
    if "folder" in entries:
        folder = Path(file.text(entries["folder"], "folder"))
    read = [
        _stage(file, ReferenceResolver(file, folder, name, tuple(by_name)), entry)
        for name, entry in by_name.items()
    ]
    sbatch = _sbatch_options(file, entries.get("sbatch"))
    processes = _processes(file, entries.get("processes"))
    return Chain(path, folder, sort_by_dependency(file, read), processes, sbatch)


class Argument(NamedTuple):
    """A word of a command, with folders in place of ${stage}, and as in the chain file."""

    resolved: str
    template: str


class ReferenceResolver:
    """Replaces ${stage} by a folder, and collects what one stage reads of the others."""

    def __init__(self, file: YamlFile, folder: Path, stage: str, names: Sequence[str]) -> None:
        self._file, self._folder, self._names = file, folder, names
        self.stage = stage
        self.inputs: dict[str, Reference] = {}

    @property
    def own_folder(self) -> str:
        return str(self._folder / self.stage)

    def resolve(self, text: str, line: int) -> str:
        """The text with a folder in place of ${stage}. Raises ChainError."""
        found = REFERENCE.search(text)
        if not found:
            return text
        name, rest = found.groups()
        path = rest.strip("/")
        if name not in self._names:
            raise self._file.error(
                line, f"${{{name}}}: no stage is called {name!r}{_choice(name, self._names)}"
            )
        if (rest and not rest.startswith("/")) or "${" in rest or ".." in Path(path).parts:
            raise self._file.error(
                line,
                f"{text!r}: only a path in that folder may follow ${{{name}}}, up to the end of "
                "the text",
            )
        if name != self.stage:
            reference = Reference(name, path, line)
            self.inputs.setdefault(str(reference), reference)
        return text[: found.start()] + str(self._folder / name) + rest


def _stage(file: YamlFile, references: ReferenceResolver, entry: YamlEntry) -> Stage:
    name, line = references.stage, entry.line
    if not STAGE_NAME.fullmatch(name):
        raise file.error(line, f"{name!r} is not a stage name; use letters, digits, - and _")
    keys = file.entries(entry.node, f"stage {name}", STAGE_KEYS)
    _require_recipe_or_arguments(file, keys)
    program = _program(file, name, keys, line)
    if "recipe" in keys:
        recipe, words = _recipe(file, references, program[0], keys)
    else:
        items = file.items(keys["arguments"], "arguments") if "arguments" in keys else []
        texts = [(file.text(item, "an argument"), item.line) for item in items]
        recipe = None
        words = [Argument(references.resolve(text, at), text) for text, at in texts]
    return Stage(
        name,
        line,
        (*program, *(word.resolved for word in words)),
        (*program, *(word.template for word in words)),
        recipe,
        tuple(references.inputs.values()),
        _processes(file, keys.get("processes")),
        _sbatch_options(file, keys.get("sbatch")),
    )


def _require_recipe_or_arguments(file: YamlFile, keys: dict[str, YamlEntry]) -> None:
    refused = {"arguments": "a stage has either recipe and set, or arguments; remove one"}
    if "recipe" not in keys:
        refused = {
            "set": "it changes keys of a recipe; add the key recipe",
            "processes": "a stage without a recipe is a single process; remove this key",
        }
    for key, reason in refused.items():
        if key in keys:
            raise file.error(keys[key].line, f"{key}: {reason}")


def _program(file: YamlFile, name: str, keys: dict[str, YamlEntry], line: int) -> list[str]:
    if "program" not in keys:
        raise file.error(line, f"stage {name}: program is missing; add one, such as pretrain")
    text = file.text(keys["program"], "program")
    words = text.split()
    if not words or words[0] not in PROGRAMS:
        choice = _choice(text, PROGRAMS)
        raise file.error(keys["program"].line, f"program {text!r}: is unknown{choice}")
    return words


def _recipe(
    file: YamlFile, references: ReferenceResolver, program: str, keys: dict[str, YamlEntry]
) -> tuple[Path, list[Argument]]:
    """The recipe's file, and the arguments that give it and its settings to the program."""
    name = file.text(keys["recipe"], "recipe")
    try:
        recipe = find_recipe(name, ROOT / program / "recipes")
    except ConfigError as error:
        raise file.error(keys["recipe"].line, str(error)) from None
    words = [Argument(name, name)]
    settings = file.entries(keys["set"].node, "set") if "set" in keys else {}
    for key, entry in settings.items():
        if key == RUN_KEY:
            raise file.error(
                entry.line, f"run: is always {references.own_folder} in a chain; remove this key"
            )
        if "=" in key:
            raise file.error(entry.line, f"{key}: a setting is written key.path: value")
        resolved = dump_flow(file.value(entry, references.resolve))
        template = dump_flow(file.value(entry, lambda text, _: text))
        words.append(Argument(f"{key}={resolved}", f"{key}={template}"))
    return recipe, [*words, Argument(f"{RUN_KEY}={dump_flow(references.own_folder)}", RUN_KEY)]


def _choice(word: str, candidates: Sequence[str]) -> str:
    return nearest(word, candidates) or f"; there are {', '.join(candidates)}"


def _sbatch_options(file: YamlFile, entry: YamlEntry | None) -> tuple[str, ...]:
    items = file.items(entry, "sbatch") if entry else []
    return tuple(file.text(item, "an option of sbatch") for item in items)


def _processes(file: YamlFile, entry: YamlEntry | None) -> int | None:
    if entry is None:
        return None
    text = file.text(entry, "processes")
    if not re.fullmatch("0*[1-9][0-9]{0,5}", text):
        raise file.error(entry.line, f"processes: {text!r} is refused; give a number from 1")
    return int(text)
