"""The table of position embeddings. It imports no torch, for configurations are read with it."""

from collections.abc import Callable, Mapping
from pkgutil import resolve_name
from types import MappingProxyType
from typing import Any, NamedTuple


class PosEmbedKind(NamedTuple):
    """A computed table, or a module with learned parameters.

    `build` is a function, or where to import it from ("module:function").
    Computed: (grid, embed_dim) -> table [n, d]. Another grid than that of training gets the
    trained grid's table, interpolated (`resize_positions`).
    Learned: (grid, embed_dim) -> module, called with token indices [b, v] or None for all tokens,
    which gives the embeddings to add. Each of its `parameters` is interpolated along the axes
    t, h, w of the grid that it has rows for, unless it has a single row.
    """

    build: str | Callable[..., Any]
    parameters: Mapping[str, str] = MappingProxyType({})  # name -> axes; empty: computed
    divisor: int = 1  # of embed_dim

    @property
    def learned(self) -> bool:
        return bool(self.parameters)

    def builder(self) -> Callable[..., Any]:
        """The function, imported where it is named."""
        return resolve_name(self.build) if isinstance(self.build, str) else self.build


POS_EMBEDS: dict[str, PosEmbedKind] = {
    "sinusoid": PosEmbedKind("encoder.pos_embed:flat_sinusoid_table"),
    "sincos3d": PosEmbedKind("encoder.pos_embed:sincos3d_table", divisor=16),
    "learned": PosEmbedKind("encoder.pos_embed:LearnedPositions", {"tokens": "thw"}),
    "separable": PosEmbedKind("encoder.pos_embed:SeparablePositions", {"space": "hw", "time": "t"}),
}
