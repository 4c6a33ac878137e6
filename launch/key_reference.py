"""The keys of a program as a page of Markdown: `docs/config-reference.md` is made of these."""

from collections.abc import Iterator

from launch.key_help import default_text, summary, type_text
from launch.keys import Key, all_keys, keys_of


def reference_lines(program: str, cls: type) -> Iterator[str]:
    """A heading, and a table of each top-level key with all that is below it."""
    yield f"## python -m {program}"
    below = list(all_keys(cls))
    yield from _table("Top level", [key for key in keys_of(cls) if not key.parts])
    for section in keys_of(cls):
        if section.parts:
            keys = [key for key in below if key.path.startswith(f"{section.path}.")]
            yield from _table(f"`{section.path}`: {summary(section)}", keys)


def _table(title: str, keys: list[Key]) -> Iterator[str]:
    yield from ("", f"### {title}", "", "| key | type | default | meaning |", "|---|---|---|---|")
    for key in keys:
        if key.path.endswith(".kind") and key.kind:
            name, kind, default = f"`{key.path}: {key.kind}`", "", ""
        else:
            name = f"`{key.path}`" + (f" ({key.kind})" if key.kind else "")
            kind, default = type_text(key), default_text(key)
        meaning = summary(key) + (" May change when a run resumes." if key.may_change else "")
        cells = (name, kind, default, meaning)
        yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"
