"""Everything written as JSON is JSON, whatever the numbers."""

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from launch.json_text import json_text

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def not_json(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def with_null(value):
    if isinstance(value, dict):
        return {key: with_null(each) for key, each in value.items()}
    if isinstance(value, list):
        return [with_null(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@given(VALUES)
def test_numbers_that_are_not_finite_are_null(value) -> None:
    read = json.loads(json_text(value), parse_constant=not_json)
    assert read == with_null(value)


def test_tuples_are_lists_and_finite_values_keep_their_bytes() -> None:
    assert json_text((math.inf, {"a": (1, math.nan)})) == '[null, {"a": [1, null]}]'
    assert json_text({"a": [1, 0.1]}, indent=1) == json.dumps({"a": [1, 0.1]}, indent=1)
