"""Comparison of class names: which are the same, and which are only similar."""

import re
import unicodedata
from difflib import SequenceMatcher, get_close_matches
from functools import lru_cache

MAX_LENGTH = 200  # characters of a name
SET_NAME = re.compile(r"\w[\w.+-]{0,99}")  # without a colon, which separates set and class
MIN_SIMILARITY = 0.8  # difflib's ratio; names of actions with less share only their last word

Words = tuple[str, ...]


@lru_cache(maxsize=2**16)
def normalised_name(name: str) -> str:
    """The form in which names are compared: letters, digits and symbols, without case.

    Unicode NFKC and case folding. Blanks and punctuation count only between digits:
    "CalotTriangleDissection", "calot-triangle dissection" and "Calot_Triangle_Dissection" are the
    same name, "grade 1-2" and "grade 12" are two names.
    """
    while (folded := _fold(name)) != name:
        name = folded
    return name


def _fold(name: str) -> str:
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    text = " ".join(_separated(text).split())
    return unicodedata.normalize("NFKC", re.sub(r"(?<!\d) | (?!\d)", "", text))


def words(name: str) -> Words:
    """The words of a name in lower case; "CalotTriangle" has two."""
    text = unicodedata.normalize("NFKC", name)
    text = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", text)
    return tuple(_separated(text.casefold()).split())


def _separated(text: str) -> str:
    """Replaces punctuation and control characters by blanks, and removes format characters."""
    visible = (c for c in text if unicodedata.category(c) != "Cf")
    return "".join(" " if unicodedata.category(c)[0] in "PZC" else c for c in visible)


def name_problem(name: str) -> str:
    """Why a text cannot be a class name; "" if it can."""
    if any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in name):
        return "has a control character"
    if len(name) > MAX_LENGTH:
        return f"has {len(name)} characters; a name has at most {MAX_LENGTH}"
    return "" if normalised_name(name) else "has no letter or digit"


def similarity(one: Words, other: Words) -> float:
    """difflib's ratio, or 1 if all words of one name are words of the other."""
    fewer, more = sorted((set(one), set(other)), key=len)
    if fewer <= more:
        return 1.0
    matcher = SequenceMatcher(None, " ".join(one), " ".join(other), autojunk=False)
    if matcher.real_quick_ratio() < MIN_SIMILARITY or matcher.quick_ratio() < MIN_SIMILARITY:
        return 0.0
    return matcher.ratio()


def nearest(name: str, names: tuple[str, ...]) -> str:
    """A hint for an error: the most similar of `names`, or ""."""
    found = get_close_matches(name, names, n=1)
    return f"; nearest: {found[0]!r}" if found else ""
