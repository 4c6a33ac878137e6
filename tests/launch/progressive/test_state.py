"""What is written down of a chain, and by what its files are known again."""

from pathlib import Path

import pytest

from launch.atomic_io import sha256_file
from launch.progressive.hashing import Digests
from launch.progressive.state import ChainState, read_state
from launch.progressive.yaml_lines import ChainError


@pytest.mark.parametrize("text", ["", "{", "[]", '{"stages": {"a": {}}}', '{"stagse": {}}', "\xff"])
def test_records_that_are_none_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "chain.json").write_text(text, encoding="latin-1")
    with pytest.raises(ChainError, match=r"chain.json: cannot be read .* bring it back") as refused:
        read_state(tmp_path)
    assert "\n" not in str(refused.value)


def test_no_records_are_those_of_nothing(tmp_path: Path) -> None:
    assert read_state(tmp_path / "absent") == ChainState()


def test_a_folder_is_known_by_all_its_files_unless_it_is_a_run(tmp_path: Path) -> None:
    digests = Digests()
    assert digests.of(tmp_path / "absent") is None and digests.of(tmp_path) is None
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").mkdir()
    seen = {digests.of(tmp_path)}
    (tmp_path / "b/c").write_text("c")
    seen.add(digests.of(tmp_path))
    (tmp_path / "b/c").rename(tmp_path / "b/d")
    seen.add(digests.of(tmp_path))
    (tmp_path / "b/.lock").write_text("d")
    seen.add(digests.of(tmp_path))
    assert len(seen) == 3


def test_safetensors_are_the_same_in_whatever_order_their_metadata_are(tmp_path: Path) -> None:
    def digest_of(header: str, data: bytes, name: str = "a.safetensors") -> str | None:
        head = header.encode()
        (tmp_path / name).write_bytes(len(head).to_bytes(8, "little") + head + data)
        return Digests().of(tmp_path / name)

    known = digest_of('{"__metadata__": {"x": "1", "y": "2"}}', b"data")
    assert digest_of('{"__metadata__":{"y":"2","x":"1"}}  ', b"data") == known
    assert digest_of('{"__metadata__": {"x": "1", "y": "3"}}', b"data") != known
    assert digest_of('{"__metadata__": {"x": "1", "y": "2"}}', b"date") != known
    for none in (b"", b"\xff" * 8, b"\x02" + 7 * b"\0" + b"[]", b"\x09" + 7 * b"\0" + b"{"):
        (tmp_path / "b.safetensors").write_bytes(none)
        assert Digests().of(tmp_path / "b.safetensors") == sha256_file(tmp_path / "b.safetensors")
