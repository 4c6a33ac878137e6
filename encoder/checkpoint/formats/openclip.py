"""open_clip and OpenAI's CLIP: tensor names of the image encoder."""

from encoder.checkpoint.formats.file_format import FileFormat
from encoder.checkpoint.key_map import KeyMap

OPENCLIP = FileFormat(
    KeyMap(
        title="open_clip",
        embed="conv1.weight",
        blocks="transformer.resblocks.",
        rows=(
            ("conv1.", "patch_embed.proj."),
            ("class_embedding", "cls_token"),
            ("positional_embedding", "pos_embed"),
            ("ln_pre.", "norm_pre."),
            ("ln_post.", "norm."),
            ("transformer.resblocks.", "blocks."),
        ),
        block_rows=(
            ("ln_1.", "norm1."),
            ("ln_2.", "norm2."),
            ("attn.in_proj_weight", "attn.qkv.weight"),
            ("attn.in_proj_bias", "attn.qkv.bias"),
            ("attn.out_proj.", "attn.proj."),
            ("mlp.c_fc.", "mlp.fc1."),
            ("mlp.c_proj.", "mlp.fc2."),
        ),
    )
)
