"""The table of file formats that checkpoints are read from and written in."""

from difflib import get_close_matches

from encoder.checkpoint.formats.file_format import FileFormat, Writer
from encoder.checkpoint.formats.huggingface import HUGGINGFACE
from encoder.checkpoint.formats.huggingface_clip import HUGGINGFACE_CLIP
from encoder.checkpoint.formats.mmaction import MMACTION
from encoder.checkpoint.formats.openclip import OPENCLIP
from encoder.checkpoint.formats.timm import TIMM
from encoder.checkpoint.formats.unified import UNIFIED
from encoder.checkpoint.formats.videomae import VIDEOMAE
from encoder.checkpoint.key_map import KeyMap
from encoder.checkpoint.native_format import NATIVE
from encoder.checkpoint.overrides import CheckpointOverrides
from encoder.checkpoint.safe_open import CheckpointMismatch
from encoder.config import EncoderConfig

FORMATS: dict[str, FileFormat] = {
    "own": NATIVE,
    "videomae": VIDEOMAE,
    "hf": HUGGINGFACE,
    "timm": TIMM,
    "unified": UNIFIED,
    "hf_clip": HUGGINGFACE_CLIP,
    "openclip": OPENCLIP,
    "mmaction": MMACTION,
}


def key_maps() -> tuple[KeyMap, ...]:
    """Every key map once; formats may share one."""
    return tuple(dict.fromkeys(row.key_map for row in FORMATS.values()))


def writable_formats() -> list[str]:
    """Names of the formats that an encoder can be written in."""
    return [name for name, row in FORMATS.items() if row.write]


def writer_of(name: str) -> Writer:
    """The function that writes a format; raises CheckpointMismatch with the nearest name."""
    if (row := FORMATS.get(name)) and row.write:
        return row.write
    near = get_close_matches(name, writable_formats(), n=1)
    raise CheckpointMismatch(
        f"--to {name}: is none of {', '.join(writable_formats())}"
        + (f"; nearest: {near[0]}" if near else "")
    )


def require_supported(name: str, config: EncoderConfig) -> None:
    """Raises CheckpointMismatch where programs of a format would compute something else."""
    row = FORMATS[name]
    for field, only in row.requires.items():
        if getattr(config, field) != only:
            others = [other for other in writable_formats() if _supports(FORMATS[other], config)]
            override = (
                f", or override it with {field}={only}"
                if field in CheckpointOverrides.__dataclass_fields__
                else ""
            )
            raise CheckpointMismatch(
                f"--to {name}: the encoder has {field} {getattr(config, field)}, programs of this "
                f"format support only {only}; use --to {' or '.join(others)}{override}"
            )


def _supports(row: FileFormat, config: EncoderConfig) -> bool:
    return all(getattr(config, field) == only for field, only in row.requires.items())
