"""chain.json, and the digests of a stage's files."""

from pathlib import Path

import pytest

from launch.atomic_io import sha256_file
from launch.progressive.chain import ChainError
from launch.progressive.hashing import Digests
from launch.progressive.state import ChainState, read_state, record_job


@pytest.mark.parametrize("text", ["", "{", "[]", '{"stages": {"a": {}}}', '{"stagse": {}}', "\xff"])
def test_a_damaged_state_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "chain.json").write_text(text, encoding="latin-1")
    with pytest.raises(ChainError, match=r"chain.json: cannot be read .* restore it") as refused:
        read_state(tmp_path)
    assert "\n" not in str(refused.value)


def test_an_absent_state_file_is_an_empty_state(tmp_path: Path) -> None:
    assert read_state(tmp_path / "absent") == ChainState()


def test_the_digest_of_a_folder_is_of_all_its_files(tmp_path: Path) -> None:
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


def test_the_digest_of_safetensors_ignores_the_order_of_their_header(tmp_path: Path) -> None:
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


OLD_STATE = """{
 "stages": {"first": {
  "command": ["pretrain", "demo", "run"], "recipe": "pretrain/recipes/demo.yaml",
  "recipe_sha256": "12", "inputs": {}, "begun": "2026-01-01T10:00:00+0000",
  "outputs": {"": "34"}, "ended": "2026-01-02T12:30:00+0000", "exit_status": 0, "seconds": 9.5,
  "starts": 2, "host": "node7", "process": 4711, "levels": 2}},
 "aside": {"first.old-1": {
  "command": ["pretrain", "demo"], "recipe": null, "recipe_sha256": null, "inputs": {},
  "begun": "2026-01-01T09:00:00+0000", "outputs": {}, "ended": null, "exit_status": null,
  "seconds": 0.0, "starts": 1, "host": "", "process": null, "levels": 0}},
 "jobs": {"first": "17"}
}
"""


def test_a_state_file_of_version_7b7086b_is_read_and_written_anew(tmp_path: Path) -> None:
    (tmp_path / "chain.json").write_text(OLD_STATE)
    old = read_state(tmp_path)
    assert old.stages["first"].is_complete and old.stages["first"].outputs == {"": "34"}
    assert old.archived["first.old-1"].exit_status is None
    record_job(tmp_path, "first", "18")
    new = read_state(tmp_path)
    assert (new.stages, new.archived) == (old.stages, old.archived)
    assert new.jobs == {"first": "18"}
    assert not {"aside", "levels"} & set((tmp_path / "chain.json").read_text().split('"'))
