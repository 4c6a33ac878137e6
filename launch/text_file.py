"""A text file from outside: a regular file of limited size, in UTF-8."""

from pathlib import Path

MAX_BYTES = 2**20


def read_text_file(path: Path, error: type[ValueError], max_bytes: int = MAX_BYTES) -> str:
    """Raises `error` with the path, the reason and the cure; a pipe or device is not opened."""
    return decode_text(read_file(path, error, max_bytes), path, error)


def read_file(path: Path, error: type[ValueError], max_bytes: int = MAX_BYTES) -> bytes:
    """The bytes of a file; raises `error`."""
    try:
        if not path.is_file():
            problem = "is not a regular file" if path.exists() else "no such file"
            raise error(f"{path}: cannot be read ({problem})")
        with path.open("rb") as opened:
            content = opened.read(max_bytes + 1)
    except (OSError, ValueError) as problem:
        if isinstance(problem, error):
            raise
        raise error(f"{path}: cannot be read ({problem})") from None
    if len(content) > max_bytes:
        raise error(f"{path}: has more than {max_bytes / 2**20:g} MiB; give a smaller file")
    return content


def decode_text(content: bytes, path: Path, error: type[ValueError]) -> str:
    """Text without a byte order mark; raises `error`."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise error(f"{path}: is not UTF-8 ({problem.reason}); save it as UTF-8") from None
