"""The program on chains whose stages take a second: its output and exit status."""

import json
from pathlib import Path

import pytest

from launch.progressive.locks import chain_lock
from tests.launch.progressive.chains import chain_lines, record_of, run, write

DRAW = '{{program: masking, arguments: [--grid, 4, 4, 4, --seed, 1, --out, "${{{name}}}/m.png"]}}'
CHAIN = """\
folder: {folder}
stages:
  one: {one}
  two: {two}
"""


def drawings(folder: Path, **stages: str) -> Path:
    """A chain of two stages that draw a picture each, where they are not given."""
    texts = {name: DRAW.format(name=name) for name in ("one", "two")} | stages
    return write(folder / "drawings.yaml", CHAIN.format(folder=folder / "chain", **texts))


def test_complete_stages_are_skipped_and_changed_ones_run_again(tmp_path: Path) -> None:
    chain, folder = drawings(tmp_path), tmp_path / "chain"
    done = run(chain)
    assert done.returncode == 0 and not done.stderr
    assert chain_lines(done.stdout)[1] == f"one starts; 1 process, log {folder}/one.log"
    assert "written: " in done.stdout and "written: " in (folder / "one.log").read_text()
    assert done.stdout.splitlines()[-1].startswith("chain: two    complete  2")
    changed = chain.read_text().replace('--seed, 1, --out, "${two}', '--seed, 2, --out, "${two}')
    before = (folder / "two/m.png").read_bytes()
    again = run(write(chain, changed))
    ended = record_of(folder, "one")["ended"][:19].replace("T", " ")
    assert chain_lines(again.stdout)[1:] == [
        f"one is skipped, complete since {ended}",
        f"two is archived as {folder}/two.old-1",
        f"two runs again: its command changed, 1 became 2; 1 process, log {folder}/two.log",
        *(line for line in chain_lines(again.stdout) if line.startswith("two is complete after ")),
    ]
    assert (folder / "two.old-1/m.png").read_bytes() == before
    assert (folder / "two/m.png").read_bytes() != before
    assert (folder / "two.old-1.log").is_file()
    assert list(json.loads((folder / "chain.json").read_text())["archived"]) == ["two.old-1"]


def test_redo_archives_the_old_folder(tmp_path: Path) -> None:
    chain, folder = drawings(tmp_path), tmp_path / "chain"
    assert run(chain).returncode == 0
    lines = chain_lines(run(chain, "--redo", "two", "--redo", "two").stdout)
    assert lines[1] == f"two is archived as {folder}/two.old-1"
    assert lines[2].startswith("one is skipped") and lines[3].startswith("two starts; ")
    assert (folder / "two.old-1/m.png").read_bytes() == (folder / "two/m.png").read_bytes()
    unknown = run(chain, "--redo", "too")
    assert unknown.returncode == 2
    assert unknown.stderr == f"launch: {chain}: no stage is called 'too'; did you mean two?\n"


def test_a_stage_that_fails_ends_the_chain_with_its_status(tmp_path: Path) -> None:
    chain = drawings(tmp_path, one="{program: pretrain, recipe: demo, set: {data.source: nowhere}}")
    done = run(chain)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("launch: one ended with exit status 2 after ")
    assert line.endswith(f"; log {tmp_path}/chain/one.log")
    assert "pretrain: data.source: nowhere does not exist" in done.stdout  # which passed through
    table = done.stdout.splitlines()[-2:]
    assert table[0].startswith("chain: one    failed (2)   2")
    assert table[1].startswith("chain: two    not started  -")
    mended = write(chain, chain.read_text().replace("nowhere", "elsewhere"))
    assert "one is tried again, it ended with exit status 2; 1 process" in run(mended).stdout


def test_a_missing_output_ends_the_chain(tmp_path: Path) -> None:
    two = '{program: encoder inspect, arguments: ["${one}/encoder.safetensors"]}'
    chain = drawings(tmp_path, two=two)
    for _ in range(2):  # also when it is known before anything starts
        done = run(chain)
        assert done.returncode == 2
        assert done.stderr == (
            f"launch: {chain}:4: one is complete, but has not written encoder.safetensors; it "
            "wrote m.png\n"
        )
    assert record_of(tmp_path / "chain", "one")["exit_status"] == 0


def test_nothing_is_started_when_a_later_stage_is_refused(tmp_path: Path) -> None:
    chain, folder = drawings(tmp_path), tmp_path / "chain"
    (folder / "two").mkdir(parents=True)
    (folder / "two/mine").write_text("no stage made this")
    done = run(chain)
    assert done.returncode == 2 and not (folder / "one").exists()
    assert done.stderr == (
        f"launch: two: {folder}/two has files, but chain.json has no record of the stage; move "
        f"{folder}/two away, or use --redo two\n"
    )
    assert run(chain, "--redo", "two").returncode == 0
    assert (folder / "two.old-1/mine").is_file()


def test_a_mistyped_last_stage_is_refused_before_the_first_is_started(tmp_path: Path) -> None:
    """Even if it reads files that no stage has written yet."""
    wrong = (
        '{program: pretrain, recipe: demo, set: {init_from: "${one}/m.png", batch.global_batch: 8}}'
    )
    done = run(drawings(tmp_path, two=wrong))
    assert done.returncode == 2 and not (tmp_path / "chain/one").exists()
    assert (
        "two: pretrain: batch.global_batch: no such key; did you mean batch.global_batch_size?"
    ) in done.stderr


def test_a_second_chain_in_the_folder_is_refused(tmp_path: Path) -> None:
    chain = drawings(tmp_path)
    with chain_lock(tmp_path / "chain"):
        for options in ((), ("--stage", "one"), ("--redo", "one")):
            done = run(chain, *options)
            assert done.returncode == 2 and done.stderr.count("\n") == 1
            assert f"launch: {tmp_path}/chain is in use by process " in done.stderr
        shown = run(chain, "--dry-run")  # changes nothing, so it may run at any time
        assert shown.returncode == 0
        assert f"warning: {tmp_path}/chain is in use by process " in shown.stdout


def test_a_single_stage_needs_its_predecessors(tmp_path: Path) -> None:
    two = '{program: encoder inspect, arguments: ["${one}/m.png"]}'
    chain = drawings(tmp_path, two=two)
    done = run(chain, "--stage", "two")
    assert (done.returncode, done.stderr) == (
        2,
        "launch: two waits for one; run that stage first\n",
    )
    assert run(chain, "--stage", "one").returncode == 0
    assert run(chain, "--stage", "two").returncode == 2  # a picture is no encoder
    assert record_of(tmp_path / "chain", "two")["inputs"].keys() == {"one/m.png"}


def test_a_dry_run_changes_nothing_and_shows_the_commands(tmp_path: Path) -> None:
    two = '{program: encoder inspect, arguments: ["${one}/a b.png"]}'
    chain = drawings(tmp_path, two=two)
    lines = chain_lines(run(chain, "--dry-run").stdout)
    assert lines[0] == "one starts" and lines[2] == "two waits for one"
    assert lines[1].endswith(
        f" -u -m masking --grid 4 4 4 --seed 1 --out {tmp_path}/chain/one/m.png"
    )
    assert lines[3].endswith(f" -u -m encoder inspect '{tmp_path}/chain/one/a b.png'")
    assert not (tmp_path / "chain").exists()


def test_jobs_are_submitted_after_those_that_they_depend_on(tmp_path: Path) -> None:
    two = '{program: pretrain, recipe: demo, set: {init_from: "${one}"}, sbatch: [--nodes=4]}'
    chain = drawings(tmp_path, two=two)
    write(chain, f"sbatch: [--time=9]\n{chain.read_text()}")
    done = run(chain, "--slurm", "--dry-run", "--", "--account=lab", "--nodes=2")
    common = "sbatch --parsable --job-name=chain-"
    dependency = "--dependency=afterok:JOB_OF_one --kill-on-invalid-dep=yes"
    assert done.stdout.splitlines() == [
        "chain: one starts",
        f"    {common}one --time=9 --account=lab --nodes=2 --nodes=1 --ntasks=1 "
        f"--ntasks-per-node=1 launch/slurm/stage.sbatch {chain} one",
        "chain: two waits for one",
        f"    {common}two {dependency} --time=9 --account=lab --nodes=2 --nodes=4 "
        f"launch/slurm/stage.sbatch {chain} two",
    ]
    assert run(chain, "--", "--account=lab").returncode == 2


@pytest.mark.parametrize("options", [("--help",), ("--slurm", "--stage", "a", "x.yaml")])
def test_help_and_errors_show_the_usage(options: tuple[str, ...]) -> None:
    done = run(Path(options[-1]), *options[:-1]) if len(options) > 1 else run(Path("--help"))
    assert "usage: python -m launch progressive" in done.stdout + done.stderr
