"""Position embeddings of a file's encoder on the grid of the wanted one."""

from encoder.checkpoint.parse import SourceEncoder
from encoder.checkpoint.tensor_recipe import TensorRecipe, TensorRecipes
from encoder.config import EncoderConfig, Grid
from encoder.pos_embed import computed_positions, resize_positions
from encoder.pos_embed_kinds import POS_EMBEDS


def grid_text(grid: tuple[int, ...]) -> str:
    """A grid such as 8x14x14."""
    return "x".join(map(str, grid))


def _axes_text(grid: tuple[int, ...]) -> str:
    return grid_text(tuple(side for side in grid if side > 1) or (1,))


def adapt_positions(
    source: SourceEncoder, target: EncoderConfig, recipes: TensorRecipes, skipped: dict[str, str]
) -> None:
    """Interpolates position embeddings, or removes those that the wanted encoder does not use."""
    trained = source.config
    if trained.class_token and not target.class_token:
        skip_tensors("class_token.", recipes, skipped, "the wanted encoder has no class token")
    if trained.positions_learned and trained.pos_embed != target.pos_embed:
        reason = f"the wanted encoder has {target.pos_embed} positions"
        skip_tensors("positions.", recipes, skipped, reason)
        skip_tensors("class_token.position", recipes, skipped, reason)
    elif trained.positions_learned:
        for name, axes in POS_EMBEDS[target.pos_embed].parameters.items():
            grids = (_along(axes, trained), _along(axes, target))
            _resize(f"positions.{name}", *grids, recipes, skipped)
    elif target.pos_embed == "learned":
        kind, dim, grid = trained.pos_embed, trained.embed_dim, target.grid
        trained_grid = trained.trained_grid or trained.grid
        recipes["positions.tokens"] = TensorRecipe(
            (),
            lambda: computed_positions(kind, grid, dim, trained_grid),
            f"initialised from the {kind} table of the file's family",
        )


def _along(axes: str, config: EncoderConfig) -> Grid:
    """The token grid with the axes that are not in `axes` set to 1."""
    frames, rows, columns = config.grid
    return (
        frames if "t" in axes else 1,
        rows if "h" in axes else 1,
        columns if "w" in axes else 1,
    )


def _resize(
    name: str, source: Grid, target: Grid, recipes: TensorRecipes, skipped: dict[str, str]
) -> None:
    if source == target:
        return
    if source == (1, 1, 1):
        skip_tensors(name, recipes, skipped, "a single row cannot be interpolated")
        return
    change = f"interpolated from {_axes_text(source)} to {_axes_text(target)}"
    recipe = recipes[name]
    recipes[name] = recipe.then(lambda table: resize_positions(table, source, target), change)


def skip_tensors(prefix: str, recipes: TensorRecipes, skipped: dict[str, str], reason: str) -> None:
    """Moves what begins with a prefix from the recipes to the skipped tensors."""
    for name in [name for name in recipes if name.startswith(prefix)]:
        recipe = recipes.pop(name)
        for source in recipe.sources:
            skipped[source] = reason
