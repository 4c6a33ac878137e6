"""Values as JSON that every reader accepts."""

import json
import math
from typing import Any


def json_text(value: Any, indent: int | None = None) -> str:
    """JSON, in which a number that is not finite is null: JSON has no such numbers."""
    try:
        return json.dumps(value, indent=indent, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), indent=indent, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
