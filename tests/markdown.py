"""Code blocks of a Markdown page."""

import re
from typing import NamedTuple


class CodeBlock(NamedTuple):
    """A fenced block and its language tag, which may be empty."""

    language: str
    code: str


def code_blocks(text: str) -> list[CodeBlock]:
    """All fenced blocks of a page, in order."""
    fenced = re.findall(r"^```([^\n]*)\n(.*?)^```$", text, re.M | re.S)
    return [CodeBlock(language.strip(), code) for language, code in fenced]
