"""transformers' CLIP: tensor names of its image encoder."""

from encoder.checkpoint.formats.file_format import FileFormat
from encoder.checkpoint.key_map import KeyMap

HUGGINGFACE_CLIP = FileFormat(
    KeyMap(
        title="Hugging Face CLIP",
        embed="embeddings.patch_embedding.weight",
        blocks="encoder.layers.",
        rows=(
            ("embeddings.patch_embedding.", "patch_embed.proj."),
            ("embeddings.class_embedding", "cls_token"),
            ("embeddings.position_embedding.weight", "pos_embed"),
            ("pre_layrnorm.", "norm_pre."),  # transformers' spelling
            ("post_layernorm.", "norm."),
            ("encoder.layers.", "blocks."),
        ),
        block_rows=(
            ("layer_norm1.", "norm1."),
            ("layer_norm2.", "norm2."),
            ("self_attn.q_proj.", "attn.q."),
            ("self_attn.k_proj.", "attn.k."),
            ("self_attn.v_proj.", "attn.v."),
            ("self_attn.out_proj.", "attn.proj."),
        ),
    )
)
