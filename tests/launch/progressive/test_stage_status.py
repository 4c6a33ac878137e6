"""What a start does with a stage, for every state in which it may find one."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from launch.progressive.chain import Chain
from launch.progressive.chain_runner import redone
from launch.progressive.hashing import Digests
from launch.progressive.parse import read_chain
from launch.progressive.stage_runner import put_aside
from launch.progressive.stage_status import StageDecision, StagePlanner
from launch.progressive.state import StageRecord, read_state, record_stage
from launch.progressive.yaml_lines import ChainError
from tests.launch.progressive.chains import written

CHAIN = """\
folder: {folder}
stages:
  first: {{program: pretrain, recipe: demo, set: {{data.source: /videos}}}}
  second: {{program: pretrain, recipe: {folder}.recipe, set: {{init_from: "${{first}}/encoder"}}}}
  third: {{program: launch consolidate, arguments: ["${{second}}", "${{third}}/w"]}}
"""


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    """Three stages that are complete, as far as files and records say."""
    folder = tmp_path / "chain"
    written(tmp_path / "chain.recipe", "{}")
    chain = read_chain(written(tmp_path / "chain.yaml", CHAIN.format(folder=folder)))
    for stage in chain.stages:
        chain.folder_of(stage.name).mkdir(parents=True)
    (folder / "first/encoder").write_text("weights")
    for step in ("5", "10"):
        checkpoint = folder / f"second/checkpoints/step-{step:>07}"
        checkpoint.mkdir(parents=True)
        (checkpoint / "manifest.json").write_text(f"sums of {step}")
    (folder / "third/w").write_text("more weights")
    for stage in chain.stages:
        judge, digests = StagePlanner(chain, Digests()), Digests()
        outputs = {taken.path: judge.digest_of(taken) for taken in chain.wanted(stage.name)}
        recipe = (str(stage.recipe), digests.of(stage.recipe)) if stage.recipe else (None, None)
        times = {"begun": "2026-01-01T10:00:00+0000", "ended": "2026-01-02T12:30:00+0000"}
        record = StageRecord(
            stage.written, *recipe, judge.inputs(stage), outputs=outputs, exit_status=0, **times
        )
        record_stage(folder, stage.name, record)
    return chain


def verdicts(chain: Chain) -> dict[str, StageDecision]:
    judge, records = StagePlanner(chain, Digests()), read_state(chain.folder)
    return {stage.name: judge.decide(stage, records) for stage in chain.stages}


def change(chain: Chain, name: str, **facts: object) -> None:
    record = read_state(chain.folder).stages[name]
    record_stage(chain.folder, name, replace(record, **facts))


def test_what_is_complete_is_skipped(chain: Chain) -> None:
    assert set(verdicts(chain).values()) == {
        StageDecision("skip", "is skipped, complete since 2026-01-02 12:30:00")
    }


def test_touched_but_equal_files_are_complete(chain: Chain) -> None:
    os.utime(chain.folder / "first/encoder", (0, 0))
    (chain.folder / "second/environment.json").write_text("another start")  # nobody's weights
    assert {verdict.action for verdict in verdicts(chain).values()} == {"skip"}


def test_a_chain_that_was_moved_is_complete(chain: Chain) -> None:
    folder = chain.folder.rename(chain.folder.with_name("moved"))
    text = chain.path.read_text().replace(f"{chain.folder}\n", f"{folder}\n")
    moved = read_chain(written(chain.path, text))
    assert {verdict.action for verdict in verdicts(moved).values()} == {"skip"}


def test_a_stage_that_never_began_begins_and_the_others_come_after_it(chain: Chain) -> None:
    shutil.rmtree(chain.folder)
    assert list(verdicts(chain).values()) == [
        StageDecision("run", "begins"),
        StageDecision("wait", "comes after first"),
        StageDecision("wait", "comes after second"),
    ]


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (None, "goes on, it was killed"),
        (75, "goes on, it had saved and stopped"),
        (1, "is tried again, it ended with 1"),
    ],
)
def test_what_did_not_end_well_gets_the_same_command_again(
    chain: Chain, status: int | None, why: str
) -> None:
    change(chain, "first", exit_status=status, command=("pretrain", "other"))
    judged = verdicts(chain)
    assert judged["first"] == StageDecision("run", why)
    assert judged["second"] == StageDecision(
        "wait", "comes after first, and is skipped if that leaves what it left before"
    )


def test_an_input_that_changed_is_told_and_a_run_is_not_continued_with_it(chain: Chain) -> None:
    (chain.folder / "first/encoder").write_text("others")
    change(chain, "first", outputs={"encoder": Digests().of(chain.folder / "first/encoder")})
    for status in (0, None, 75, 2):
        change(chain, "second", exit_status=status)
        folder = chain.folder / "second"
        assert verdicts(chain)["second"] == StageDecision(
            "refuse",
            f"first/encoder changed since {folder} was begun; move {folder} away, or give "
            "--redo second",
        )
    shutil.rmtree(folder)
    assert verdicts(chain)["second"].why == "begins"


def test_a_stage_that_resumes_nothing_runs_again_with_a_changed_input(chain: Chain) -> None:
    newest = chain.folder / "second/checkpoints/step-0000010/manifest.json"
    newest.write_text("sums of other files")
    change(chain, "second", outputs={"": Digests().of(chain.folder / "second")})
    assert verdicts(chain)["third"] == StageDecision("run", "runs again: second changed", True)


def test_a_changed_command_is_for_the_program_to_judge(chain: Chain) -> None:
    for name, aside in (("second", False), ("third", True)):
        old = read_state(chain.folder).stages[name]
        change(chain, name, command=(*old.command[:1], "x=1", *old.command[2:]))
        verdict = verdicts(chain)[name]
        assert verdict.action == "run" and verdict.puts_aside is aside
        assert verdict.why == f"runs again: x=1 became {old.command[1]}"
        change(chain, name, command=old.command)


def test_a_changed_recipe_is_told(chain: Chain) -> None:
    recipe = written(chain.folder.with_name("chain.recipe"), "{seed: 1}")
    assert verdicts(chain)["second"] == StageDecision(
        "run", f"runs again: its recipe {recipe} changed"
    )


def test_a_recipe_that_is_edited_under_way_does_not_hold_up_what_follows(chain: Chain) -> None:
    written(chain.folder.with_name("chain.recipe"), "{seed: 1}")
    change(chain, "third", exit_status=75)
    judge, records, third = (
        StagePlanner(chain, Digests()),
        read_state(chain.folder),
        chain.stages[2],
    )
    assert judge.decide(third, records).why == "comes after second"
    assert judge.decide_now(third, records).why == "goes on, it had saved and stopped"
    recipe = chain.stages[1].recipe
    assert judge.outdated(third, records) == [f"second: its recipe {recipe} changed"]
    assert judge.outdated(chain.stages[1], records) == []
    shutil.rmtree(chain.folder / "second")
    assert judge.decide_now(third, records).action == "wait"
    change(chain, "second", exit_status=None)
    assert judge.decide_now(third, read_state(chain.folder)).action == "wait"


def test_an_output_that_is_gone_is_made_again(chain: Chain) -> None:
    (chain.folder / "first/encoder").unlink()
    assert verdicts(chain)["first"] == StageDecision("run", "runs again: first/encoder is gone")
    shutil.rmtree(chain.folder / "first")
    assert verdicts(chain)["first"].why == f"runs again: {chain.folder}/first is gone"
    shutil.rmtree(chain.folder / "third")  # of which nobody takes anything
    assert verdicts(chain)["second"].action == "wait"


def test_an_output_that_somebody_changed_is_neither_used_nor_replaced(chain: Chain) -> None:
    (chain.folder / "first/encoder").write_text("others")
    verdict = verdicts(chain)["first"]
    assert verdict.action == "refuse"
    assert verdict.why.startswith(
        "first/encoder is not what the stage left; bring it back, or remove it "
    )
    judge, records = StagePlanner(chain, Digests()), read_state(chain.folder)
    assert judge.decide_now(chain.stages[1], records) == verdict  # of a job of this stage alone


def test_files_of_which_the_chain_knows_nothing_are_refused(chain: Chain) -> None:
    (chain.folder / "chain.json").unlink()
    folder = chain.folder / "first"
    assert verdicts(chain)["first"] == StageDecision(
        "refuse",
        f"{folder} holds files of which the chain knows nothing; move {folder} away, or "
        "give --redo first",
    )


def test_a_file_that_a_complete_stage_has_not_left_is_named_with_its_line(chain: Chain) -> None:
    text = chain.path.read_text().replace("}/encoder", "}/encoder.pth")
    other = read_chain(written(chain.path, text))
    with pytest.raises(ChainError) as refused:
        verdicts(other)
    assert str(refused.value) == (
        f"{chain.path}:4: first is complete and has not left encoder.pth; it left encoder"
    )


def test_what_follows_from_a_stage_is_redone_with_it(chain: Chain) -> None:
    assert redone(chain, ["third"]) == ["third"]
    assert redone(chain, ["second", "first"]) == ["second", "first", "third"]
    with pytest.raises(ChainError, match=r"no stage is called 'frist'; did you mean first\?"):
        redone(chain, ["frist"])


def test_what_is_put_aside_keeps_folder_log_and_record(chain: Chain) -> None:
    for number in (1, 2):
        (chain.folder / "second").mkdir(exist_ok=True)
        (chain.folder / "second.log").write_text(f"log {number}")
        record = record_stage(
            chain.folder, "second", replace(read_state(chain.folder).stages["first"], starts=9)
        )
        put_aside(chain, "second")
        aside = f"second.old-{number}"
        assert (chain.folder / aside).is_dir()
        assert (chain.folder / f"{aside}.log").read_text() == f"log {number}"
        assert read_state(chain.folder).aside[aside] == record
    assert (chain.folder / "second.old-1/checkpoints").is_dir()
    assert verdicts(chain)["second"] == StageDecision("run", "begins")


def test_a_run_is_known_by_its_weights_alone(chain: Chain) -> None:
    folder = chain.folder / "second"
    seen = {Digests().of(folder)}
    (folder / "log.jsonl").write_text("another start")
    (folder / "checkpoints/step-0000005/manifest.json").unlink()  # an old one
    (folder / "checkpoints/step-0000015.tmp").mkdir()
    (folder / "checkpoints/step-0000015.tmp/manifest.json").write_text("half")
    seen.add(Digests().of(folder))
    assert len(seen) == 1
    (folder / "encoder.safetensors").write_text("weights")
    seen.add(Digests().of(folder))
    (folder / "checkpoints/step-0000015.tmp").rename(folder / "checkpoints/step-0000015")
    seen.add(Digests().of(folder))
    assert len(seen) == 3
