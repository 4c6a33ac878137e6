import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from masking import GENERATORS
from masking.registry import AnyGenerator

ROOT = Path(__file__).parents[2]
GRID = (8, 6, 6)


def rngs(samples: int) -> list[np.random.Generator]:
    return [np.random.default_rng(sample) for sample in range(samples)]


@pytest.mark.parametrize("kind", GENERATORS)
def test_every_row_keeps_the_contract(kind: str) -> None:
    mask = TypeAdapter(AnyGenerator).validate_python({"kind": kind, "ratio": 0.5})
    assert isinstance(mask, GENERATORS[kind])
    assert (mask.kind, mask.ratio) == (kind, 0.5)
    hidden = mask.hidden(GRID, rngs(5))
    assert hidden.dtype == bool and hidden.shape == (5, 288)
    assert (hidden.sum(axis=1) == mask.hidden_count(GRID)).all()
    alone = [mask.hidden(GRID, [rng])[0] for rng in rngs(5)]
    assert (hidden == alone).all()
    assert mask.hidden(GRID, []).shape == (0, 288)


@pytest.mark.parametrize("kind", GENERATORS)
def test_every_row_is_frozen_and_refuses_unknown_keys(kind: str) -> None:
    mask = GENERATORS[kind]()
    with pytest.raises(AttributeError):
        mask.ratio = 0.1
    with pytest.raises(ValidationError, match="ration"):
        TypeAdapter(AnyGenerator).validate_python({"kind": kind, "ration": 0.5})


def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        ValidationError, match="kind 'tubes' is none of tube, random, frame, running_cell"
    ):
        TypeAdapter(AnyGenerator).validate_python({"kind": "tubes"})


def test_importing_masking_is_light() -> None:
    code = "import sys, masking; print({'torch', 'PIL'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "set()\n"
