"""MMAction2: tensor names of its VideoMAE."""

from encoder.checkpoint.formats.file_format import FileFormat
from encoder.checkpoint.key_map import KeyMap

MMACTION = FileFormat(
    KeyMap(
        title="MMAction2",
        embed="patch_embed.projection.weight",
        blocks="blocks.",
        rows=(("patch_embed.projection.", "patch_embed.proj."),),
        block_rows=(("mlp.layers.0.0.", "mlp.fc1."), ("mlp.layers.1.", "mlp.fc2.")),
    )
)
