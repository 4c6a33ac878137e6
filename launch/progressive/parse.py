"""Reads a chain file, and refuses with file and line whatever cannot be meant."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from launch.errors import ConfigError
from launch.nearest import nearest
from launch.progressive.chain import Chain, Reference, Stage, in_order
from launch.progressive.yaml_lines import YamlEntry, YamlFile, as_override
from launch.recipe import find_recipe

ROOT = Path(__file__).parent.parent.parent
PROGRAMS = tuple(sorted(file.parent.name for file in ROOT.glob("*/__main__.py")))
CHAIN_KEYS = ("folder", "processes", "sbatch", "stages")
STAGE_KEYS = ("program", "recipe", "set", "arguments", "processes", "sbatch")
RUN_KEY = "run"
STAGE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
REFERENCE = re.compile(r"\$\{([^}]*)\}(.*)", re.DOTALL)


def read_chain(path: Path) -> Chain:
    """Raises ChainError with file and line for whatever cannot be meant."""
    file = YamlFile(path)
    entries = file.entries(file.root(), "a chain", CHAIN_KEYS)
    stages = entries.get("stages")
    if stages is None:
        raise file.error(1, "a chain has `stages`")
    if not getattr(stages.node, "value", None):
        raise file.error(stages.line, "stages: there are none; name at least one")
    named = file.entries(stages.node, "stages")
    folder = Path("runs") / path.stem
    if "folder" in entries:
        folder = Path(file.text(entries["folder"], "folder"))
    read = [
        _stage(file, References(file, folder, name, tuple(named)), entry)
        for name, entry in named.items()
    ]
    options = _words(file, entries.get("sbatch"))
    processes = _processes(file, entries.get("processes"))
    return Chain(path, folder, in_order(file, read), processes, options)


class Word(NamedTuple):
    """A word of a command, with folders and as the chain file has it."""

    resolved: str
    written: str


class References:
    """Puts folders in the place of `${stage}`, and collects what one stage takes from others."""

    def __init__(self, file: YamlFile, folder: Path, own: str, names: Sequence[str]) -> None:
        self._file, self._folder, self._names = file, folder, names
        self.own = own
        self.takes: dict[str, Reference] = {}

    @property
    def own_folder(self) -> str:
        return str(self._folder / self.own)

    def fill(self, text: str, line: int) -> str:
        """The text with the folder of the stage that it refers to. Raises ChainError."""
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
                line, f"{text!r}: ${{{name}}} begins a path in that folder, and nothing follows it"
            )
        if name != self.own:
            taken = Reference(name, path, line)
            self.takes.setdefault(str(taken), taken)
        return text[: found.start()] + str(self._folder / name) + rest


def _stage(file: YamlFile, references: References, entry: YamlEntry) -> Stage:
    name, line = references.own, entry.line
    if not STAGE_NAME.fullmatch(name):
        raise file.error(line, f"{name!r} cannot be a folder's name; use letters, digits, - and _")
    keys = file.entries(entry.node, f"stage {name}", STAGE_KEYS)
    _require_one_kind(file, keys)
    program = _program(file, name, keys, line)
    if "recipe" in keys:
        recipe, words = _recipe(file, references, program[0], keys)
    else:
        items = file.items(keys["arguments"], "arguments") if "arguments" in keys else []
        texts = [(file.text(item, "an argument"), item.line) for item in items]
        recipe, words = None, [Word(references.fill(text, at), text) for text, at in texts]
    return Stage(
        name,
        line,
        (*program, *(word.resolved for word in words)),
        (*program, *(word.written for word in words)),
        recipe,
        tuple(references.takes.values()),
        _processes(file, keys.get("processes")),
        _words(file, keys.get("sbatch")),
    )


def _require_one_kind(file: YamlFile, keys: dict[str, YamlEntry]) -> None:
    """A stage has a recipe and its settings, or arguments."""
    refused = {"arguments": "a stage has either recipe and set, or arguments; drop one"}
    if "recipe" not in keys:
        refused = {
            "set": "set replaces keys of a recipe; give `recipe`",
            "processes": "a stage without a recipe is one process; drop this",
        }
    for key, why in refused.items():
        if key in keys:
            raise file.error(keys[key].line, f"{key}: {why}")


def _program(file: YamlFile, name: str, keys: dict[str, YamlEntry], line: int) -> list[str]:
    if "program" not in keys:
        raise file.error(line, f"stage {name}: program is missing, such as pretrain")
    said = file.text(keys["program"], "program")
    words = said.split()
    if not words or words[0] not in PROGRAMS:
        raise file.error(
            keys["program"].line, f"program {said!r}: is unknown{_choice(said, PROGRAMS)}"
        )
    return words


def _recipe(
    file: YamlFile, references: References, program: str, keys: dict[str, YamlEntry]
) -> tuple[Path, list[Word]]:
    """The recipe's file, and the words that give it and its settings to the program."""
    name = file.text(keys["recipe"], "recipe")
    try:
        recipe = find_recipe(name, ROOT / program / "recipes")
    except ConfigError as error:
        raise file.error(keys["recipe"].line, str(error)) from None
    words = [Word(name, name)]
    settings = file.entries(keys["set"].node, "set") if "set" in keys else {}
    for key, entry in settings.items():
        if key == RUN_KEY:
            raise file.error(entry.line, f"run is {references.own_folder} in a chain; drop this")
        if "=" in key:
            raise file.error(entry.line, f"{key}: a key is written key.path: value")
        resolved = as_override(file.value(entry, references.fill))
        written = as_override(file.value(entry, lambda text, _: text))
        words.append(Word(f"{key}={resolved}", f"{key}={written}"))
    return recipe, [*words, Word(f"{RUN_KEY}={as_override(references.own_folder)}", RUN_KEY)]


def _choice(word: str, candidates: Sequence[str]) -> str:
    return nearest(word, candidates) or f"; there are {', '.join(candidates)}"


def _words(file: YamlFile, entry: YamlEntry | None) -> tuple[str, ...]:
    items = file.items(entry, "sbatch") if entry else []
    return tuple(file.text(item, "an option of sbatch") for item in items)


def _processes(file: YamlFile, entry: YamlEntry | None) -> int | None:
    if entry is None:
        return None
    text = file.text(entry, "processes")
    if not text.isdecimal() or int(text) == 0:
        raise file.error(entry.line, f"processes: {text!r} is not a number of at least 1")
    return int(text)
