"""Positions of a file's encoder on the grid of another one."""

from encoder.checkpoint.parse import SourceEncoder
from encoder.checkpoint.tensor_recipe import TensorRecipe, TensorRecipes
from encoder.config import EncoderConfig
from encoder.pos_embed import computed_positions, resize_positions


def grid_text(grid: tuple[int, ...]) -> str:
    """A grid as in 8x14x14."""
    return "x".join(map(str, grid))


def _sides(grid: tuple[int, ...]) -> str:
    return grid_text(tuple(side for side in grid if side > 1) or (1,))


def adapt_positions(
    found: SourceEncoder, target: EncoderConfig, parts: TensorRecipes, dropped: dict[str, str]
) -> None:
    native = found.config
    if native.class_token and not target.class_token:
        drop_tensors("class_token.", parts, dropped, "the variant has no class token")
    kinds = (native.pos_embed, target.pos_embed)
    if native.positions_learned and kinds[0] != kinds[1]:
        drop_tensors("positions.", parts, dropped, f"the variant has {target.pos_embed} positions")
        drop_tensors("class_token.position", parts, dropped, "as the positions")
    elif kinds == ("separable", "separable"):
        _resize(parts, "positions.space", (1, *native.grid[1:]), (1, *target.grid[1:]))
        if native.grid[0] == 1 and target.grid[0] > 1:
            del parts["positions.time"]
        else:
            _resize(parts, "positions.time", (native.grid[0], 1, 1), (target.grid[0], 1, 1))
    elif kinds == ("learned", "learned"):
        _resize(parts, "positions.tokens", native.grid, target.grid)
    elif target.pos_embed == "learned":
        trained, dim = native.trained_grid or native.grid, native.embed_dim
        kind, grid = native.pos_embed, target.grid
        how = f"begin as the {kind} table of the file's family"
        parts["positions.tokens"] = TensorRecipe(
            (), lambda: computed_positions(kind, grid, dim, trained), how
        )


def _resize(
    parts: TensorRecipes, name: str, source: tuple[int, int, int], target: tuple[int, int, int]
) -> None:
    if source == target:
        return
    how = f"interpolated from {_sides(source)} to {_sides(target)}"
    parts[name] = parts[name].then(lambda table: resize_positions(table, source, target), how)


def drop_tensors(prefix: str, parts: TensorRecipes, dropped: dict[str, str], why: str) -> None:
    for name in [name for name in parts if name.startswith(prefix)]:
        part = parts.pop(name)
        for source in part.sources:
            dropped[source] = why
