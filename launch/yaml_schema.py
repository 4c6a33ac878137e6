"""What a YAML text means: the core schema of YAML 1.2. What surprises is refused.

A date is text, as are `yes` and `off`. YAML 1.1 reads `0600` as 384 and `10:00` as 600, and its
readers are still in use: such texts must be written without doubt.
"""

import math
import re
from typing import Any

from launch.yaml_nodes import YamlScalar

WORDS = {"": None, "~": None} | {
    form: value
    for word, value in (("null", None), ("true", True), ("false", False))
    for form in (word, word.capitalize(), word.upper())
}

INTEGER = re.compile(r"[-+]?[0-9]+")
OCTAL_OR_HEX = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
REAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
SURPRISES = (
    (re.compile(r"[-+]?0[0-9_]+"), "YAML 1.1 reads it as octal"),
    (re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"), "YAML 1.1 reads it in base 60"),
)
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**64 - 1
MAX_DIGITS = 64  # of an integer, before it is converted
TYPES: dict[str, tuple[type, ...]] = {
    "!!null": (type(None),),
    "!!bool": (bool,),
    "!!int": (int,),
    "!!float": (float, int),
}


def scalar_value(node: YamlScalar) -> Any:
    """None, a bool, an int, a float or the text. Raises ValueError with the problem."""
    if node.tag in ("!", "!!str") or not (node.is_plain or node.tag):
        return node.text
    value = plain_value(node.text)
    if not node.tag:
        return value
    if type(value) not in TYPES.get(node.tag, ()):
        raise ValueError(f"{node.text[:60]!r} with the tag {node.tag} is refused; remove the tag")
    return float(value) if node.tag == "!!float" else value


def plain_value(text: str) -> Any:
    """The value of a text without quotes. Raises ValueError where it would surprise."""
    if text in WORDS:
        return WORDS[text]
    for pattern, why in SURPRISES:
        if pattern.fullmatch(text):
            raise ValueError(
                f"{_cut(text)} is ambiguous: {why}; write a plain number, or put it in quotes if "
                "it is text"
            )
    if INTEGER.fullmatch(text) or OCTAL_OR_HEX.fullmatch(text):
        value = int(text, 0) if len(text) <= MAX_DIGITS else MAX_INTEGER + 1
        if not MIN_INTEGER <= value <= MAX_INTEGER:
            raise ValueError(
                f"{_cut(text)} does not fit in 64 bits; write a smaller number, or put it in "
                "quotes if it is text"
            )
        return value
    if NOT_FINITE.fullmatch(text):
        return float(text.replace(".", ""))
    if REAL.fullmatch(text):
        number = float(text)
        if math.isinf(number):
            raise ValueError(f"{_cut(text)} is too large for a floating-point number")
        return number
    return text


def means_itself(text: str) -> bool:
    """Whether a text without quotes is read as this text."""
    try:
        return plain_value(text) is text
    except ValueError:
        return False


def _cut(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:20]}... ({len(text)} characters)"
