"""Maps between a file format's tensor names and the common names of one transformer.

Common names are those of timm and VideoMAE: `patch_embed.proj.weight`, `cls_token`, `pos_embed`,
`blocks.3.attn.proj.weight` and so on. `families.py` and `parse.py` read common names only.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple, TypeVar

Rows = tuple[tuple[str, str], ...]
"""(prefix in the file, common prefix); the first row that matches a name renames it."""

T = TypeVar("T")
BLOCK_NAME = re.compile(r"^(blocks\.\d+\.)(.+)$")


class KeyMap(NamedTuple):
    """Tensor names of one file format, relative to the prefix (root) of the encoder's tensors."""

    title: str
    embed: str  # the patch embedding's weight, by which the root is found
    blocks: str  # prefix of the blocks
    rows: Rows = ()
    block_rows: Rows = ()  # of the name after a block's number
    root_free: Rows = ()  # of the encoder's tensors that do not have the root


def rename(name: str, rows: Rows) -> str:
    """The name after the first row whose prefix matches; unchanged where none does."""
    for prefix, new_prefix in rows:
        if name.startswith(prefix):
            return new_prefix + name[len(prefix) :]
    return name


def reverse(rows: Rows) -> Rows:
    return tuple((common, prefix) for prefix, common in rows)


def common_name(name: str, key_map: KeyMap) -> str:
    """The common name of a tensor; both names are without the root."""
    name = rename(name, key_map.rows)
    match = BLOCK_NAME.match(name)
    return match[1] + rename(match[2], key_map.block_rows) if match else name


def rename_tensors(tensors: Mapping[str, T], key_map: KeyMap) -> dict[str, T]:
    """The inverse of `common_name`, for a mapping whose keys are common names."""
    renamed = {}
    for name, tensor in tensors.items():
        match = BLOCK_NAME.match(name)
        inner = match[1] + rename(match[2], reverse(key_map.block_rows)) if match else name
        renamed[rename(inner, reverse(key_map.rows))] = tensor
    return renamed


def find_roots(names: Mapping[str, T], key_map: KeyMap) -> list[str]:
    """Prefixes under which a file has an encoder with these names."""
    roots = [name.removesuffix(key_map.embed) for name in names if name.endswith(key_map.embed)]
    return [
        root
        for root in roots
        if (not root or root.endswith("."))
        and any(name.startswith(root + key_map.blocks) for name in names)
    ]
