"""When two names of a class are one: how they are compared, and what is only alike."""

import re
import unicodedata
from difflib import SequenceMatcher, get_close_matches
from functools import lru_cache

LONGEST = 200  # characters of a name
SET_NAME = re.compile(r"\w[\w.+-]{0,99}")  # of a labelled set; no colon, which ends it in a file
ALIKE = 0.8  # of difflib's ratio; below it, names of actions agree in their last word only

Words = tuple[str, ...]


@lru_cache(maxsize=2**16)
def normalised_name(name: str) -> str:
    """What names are compared by: letters, digits and symbols in order, without case.

    Unicode NFKC and case folding; blanks and punctuation count between digits only, so that
    "CalotTriangleDissection", "calot-triangle dissection" and "Calot_Triangle_Dissection" are one
    name, and "grade 1-2" and "grade 12" are two.
    """
    while (folded := _fold(name)) != name:
        name = folded
    return name


def _fold(name: str) -> str:
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    text = " ".join(_separated(text).split())
    return unicodedata.normalize("NFKC", re.sub(r"(?<!\d) | (?!\d)", "", text))


def words(name: str) -> Words:
    """The words of a name, CamelCase split, without case: "CalotTriangle" has two."""
    text = unicodedata.normalize("NFKC", name)
    text = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", text)
    return tuple(_separated(text.casefold()).split())


def _separated(text: str) -> str:
    """Blanks for all punctuation and control characters; nothing for characters of no width."""
    kept = (c for c in text if unicodedata.category(c) != "Cf")
    return "".join(" " if unicodedata.category(c)[0] in "PZC" else c for c in kept)


def fault_of(name: str) -> str:
    """Why a text cannot be the name of a class; nothing where it can."""
    if any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in name):
        return "has a control character"
    if len(name) > LONGEST:
        return f"has {len(name)} characters; a name has at most {LONGEST}"
    return "" if normalised_name(name) else "has no letter or digit"


def likeness(one: Words, other: Words) -> float:
    """difflib's ratio, or 1 where all words of one name are words of the other."""
    fewer, more = sorted((set(one), set(other)), key=len)
    if fewer <= more:
        return 1.0
    matcher = SequenceMatcher(None, " ".join(one), " ".join(other), autojunk=False)
    if matcher.real_quick_ratio() < ALIKE or matcher.quick_ratio() < ALIKE:
        return 0.0
    return matcher.ratio()


def nearest(name: str, names: tuple[str, ...]) -> str:
    """A hint for an error: the most alike of `names`, or nothing."""
    found = get_close_matches(name, names, n=1)
    return f"; nearest: {found[0]!r}" if found else ""
