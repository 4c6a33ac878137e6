"""Writes plain values as YAML, which this project and readers of YAML 1.1 read back alike."""

from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import SafeRepresenter

from launch.yaml_schema import means_itself

BOOLEANS_OF_YAML_1_1 = {"y", "n", "yes", "no", "on", "off"}
MISREAD = ("?", ":")  # the library writes a text that begins with one as a key or a value
TEXT = "tag:yaml.org,2002:str"


def dump_yaml(values: Any) -> str:
    """Plain values in block style, in their order."""
    return _dump(values, flow=False)


def dump_in_brackets(values: Any) -> str:
    """As `dump_yaml`, with each list of texts or numbers in brackets, on one line."""
    return _dump(values, flow=None)


def dump_flow(value: Any) -> str:
    """A value on one line, as on the right side of `key=value`."""
    return _dump(value, flow=True).removesuffix("\n").removesuffix("\n...")


def _dump(values: Any, flow: bool | None) -> str:
    out = StringIO()
    yaml: Any = YAML(typ="safe", pure=True)
    yaml.default_flow_style = flow
    yaml.width = 2**30  # no line is folded
    yaml.allow_unicode = True
    yaml.sort_base_mapping_type_on_output = False
    yaml.Representer = _PlainRepresenter
    yaml.dump(values, out)
    return out.getvalue()


class _PlainRepresenter(SafeRepresenter):
    """No anchors; texts in quotes where another reader could take them for something else."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(representer: SafeRepresenter, text: str) -> ScalarNode:
    style = None
    if not text.isprintable():
        style = '"'
    elif not means_itself(text) or text.lower() in BOOLEANS_OF_YAML_1_1 or text.startswith(MISREAD):
        style = "'"
    return representer.represent_scalar(TEXT, text, style=style)


def _represent_float(representer: SafeRepresenter, value: float) -> ScalarNode:
    node: ScalarNode = representer.represent_float(value)
    if "." not in node.value:  # YAML 1.1 reads 1e-05 as text
        node.value = node.value.replace("e", ".0e")
    return node


_PlainRepresenter.add_representer(str, _represent_text)
_PlainRepresenter.add_representer(float, _represent_float)
