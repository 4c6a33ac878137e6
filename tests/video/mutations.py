"""Recordings damaged at random, as copies, transfers and recorders damage them."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np

Mutation = Callable[[bytes, bytes, np.random.Generator], bytes]
PICTURES = "testsrc2=size=96x72:rate=25:duration=8"
SOUND = "sine=duration=8"
HEADER_BYTES = 2048

# Suffix and encoder options; the second of each container has another structure.
SOURCES = {
    "mp4": ("-c:v libx264 -g 50 -bf 2 -c:a aac", "-c:v libx265 -g 25 -x265-params log-level=none"),
    "mkv": ("-c:v libx264 -g 100 -bf 3 -x264-params open-gop=1 -c:a aac", "-c:v mpeg4 -g 25"),
    "avi": ("-c:v mpeg4 -g 50 -c:a mp2", "-c:v mjpeg"),
    "ts": ("-c:v mpeg2video -g 12 -bf 2 -c:a mp2", "-c:v libx264 -g 50 -bf 2"),
    "vob": ("-c:v mpeg2video -b:v 600k -g 12 -bf 2", "-c:v mpeg2video -g 25 -bf 0 -c:a mp2"),
    "mov": ("-c:v libx264 -g 25 -movflags +faststart", "-c:v mpeg4 -bf 2 -g 50 -c:a aac"),
}


def write_source(file: Path, options: str) -> Path:
    sound = ["-f", "lavfi", "-i", SOUND] if "-c:a" in options else []
    command = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", PICTURES, *sound]
    subprocess.run([*command, *options.split(), str(file)], check=True, timeout=120)
    return file


def flip_bits(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(content)
    for place in rng.integers(0, len(content), 2 ** int(rng.integers(0, 7))):
        changed[place] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def cut(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Without its end, its beginning or a part in the middle."""
    first, second = sorted(rng.integers(0, len(content), 2).tolist())
    kept = (content[:first], content[first:], content[:first] + content[second:])
    return kept[int(rng.integers(3))]


def damage_header(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(content)
    length = int(rng.integers(1, 64))
    place = int(rng.integers(0, HEADER_BYTES))
    changed[place : place + length] = rng.bytes(length)
    return bytes(changed)


def join(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Followed by all or the last part of another recording."""
    return content + other[int(rng.integers(0, len(other))) * int(rng.integers(2)) :]


MUTATIONS: tuple[Mutation, ...] = (flip_bits, cut, damage_header, join)


def write_mutated(folder: Path, sources: Path, count: int, seed: int) -> list[Path]:
    """`count` files in `folder`, from each source and mutation in turn."""
    kinds = [(suffix, n) for suffix, options in SOURCES.items() for n in range(len(options))]
    contents = {
        (suffix, n): write_source(sources / f"{n}.{suffix}", SOURCES[suffix][n]).read_bytes()
        for suffix, n in kinds
    }
    files = []
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        suffix, n = kinds[number % len(kinds)]
        mutate = MUTATIONS[number // len(kinds) % len(MUTATIONS)]
        file = folder / f"{number:03d}-{mutate.__name__}.{suffix}"
        other = contents[suffix, int(rng.integers(len(SOURCES[suffix])))]
        file.write_bytes(mutate(contents[suffix, n], other, rng))
        files.append(file)
    return files
