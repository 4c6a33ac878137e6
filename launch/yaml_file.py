"""YAML 1.2 in and out: duplicate keys are refused, errors name the line."""

from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from launch.errors import ConfigError


def parse_yaml(text: str, source: str) -> Any:
    """The plain values of a text; raises ConfigError with `source` and the line."""
    try:
        return YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        line = f":{mark.line + 1}" if mark is not None else ""
        problem = " ".join(str(error.problem).split())
        raise ConfigError(f"{source}{line}: {problem}") from None
    except (YAMLError, ValueError) as error:
        raise ConfigError(f"{source}: is not YAML ({' '.join(str(error).split())})") from None


def dump_yaml(values: Any) -> str:
    """Plain values as block style YAML, in their order."""
    yaml = YAML()
    yaml.width = 2**16  # no line is folded
    out = StringIO()
    yaml.dump(values, out)
    return out.getvalue()
