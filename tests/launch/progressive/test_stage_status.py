"""Whether a stage is skipped, run or refused, for every state of its record and files."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from launch.progressive.chain import Chain, ChainError
from launch.progressive.chain_runner import stages_to_redo
from launch.progressive.hashing import Digests
from launch.progressive.parse import read_chain
from launch.progressive.stage_runner import archive_stage
from launch.progressive.stage_status import StageDecision, StagePlanner
from launch.progressive.state import StageRecord, read_state, record_stage
from tests.launch.progressive.chains import write

CHAIN = """\
folder: {folder}
stages:
  first: {{program: pretrain, recipe: demo, set: {{data.source: /videos}}}}
  second: {{program: pretrain, recipe: {folder}.recipe, set: {{init_from: "${{first}}/encoder"}}}}
  third: {{program: launch consolidate, arguments: ["${{second}}", "${{third}}/w"]}}
"""


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    """Three stages that are complete according to their files and records."""
    folder = tmp_path / "chain"
    write(tmp_path / "chain.recipe", "{}")
    chain = read_chain(write(tmp_path / "chain.yaml", CHAIN.format(folder=folder)))
    for stage in chain.stages:
        chain.folder_of(stage.name).mkdir(parents=True)
    (folder / "first/encoder").write_text("weights")
    for step in ("5", "10"):
        checkpoint = folder / f"second/checkpoints/step-{step:>07}"
        checkpoint.mkdir(parents=True)
        (checkpoint / "manifest.json").write_text(f"sums of {step}")
    (folder / "third/w").write_text("more weights")
    for stage in chain.stages:
        planner, digests = StagePlanner(chain, Digests()), Digests()
        outputs = {each.path: planner.digest(each) for each in chain.outputs_of(stage.name)}
        recipe = (str(stage.recipe), digests.of(stage.recipe)) if stage.recipe else (None, None)
        times = {"begun": "2026-01-01T10:00:00+0000", "ended": "2026-01-02T12:30:00+0000"}
        known = {**times, "outputs": outputs, "exit_status": 0}
        record = StageRecord(stage.template, *recipe, planner.digest_inputs(stage), **known)
        record_stage(folder, stage.name, record)
    return chain


def decisions(chain: Chain) -> dict[str, StageDecision]:
    planner, state = StagePlanner(chain, Digests()), read_state(chain.folder)
    return {stage.name: planner.decide(stage, state) for stage in chain.stages}


def change(chain: Chain, name: str, **fields: object) -> None:
    record = read_state(chain.folder).stages[name]
    record_stage(chain.folder, name, replace(record, **fields))


def test_complete_stages_are_skipped(chain: Chain) -> None:
    assert set(decisions(chain).values()) == {
        StageDecision("skip", "is skipped, complete since 2026-01-02 12:30:00")
    }


def test_touched_files_with_equal_contents_are_unchanged(chain: Chain) -> None:
    os.utime(chain.folder / "first/encoder", (0, 0))
    (chain.folder / "second/environment.json").write_text("another start")  # no weights
    assert {decision.action for decision in decisions(chain).values()} == {"skip"}


def test_a_chain_whose_folder_was_moved_is_complete(chain: Chain) -> None:
    folder = chain.folder.rename(chain.folder.with_name("moved"))
    text = chain.path.read_text().replace(f"{chain.folder}\n", f"{folder}\n")
    moved = read_chain(write(chain.path, text))
    assert {decision.action for decision in decisions(moved).values()} == {"skip"}


def test_a_new_stage_starts_and_the_others_wait_for_it(chain: Chain) -> None:
    shutil.rmtree(chain.folder)
    assert list(decisions(chain).values()) == [
        StageDecision("run", "starts"),
        StageDecision("wait", "waits for first"),
        StageDecision("wait", "waits for second"),
    ]


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (None, "resumes, it was killed"),
        (75, "resumes, it had saved and stopped"),
        (1, "is tried again, it ended with exit status 1"),
    ],
)
def test_a_stage_that_is_not_complete_gets_the_same_command_again(
    chain: Chain, status: int | None, why: str
) -> None:
    change(chain, "first", exit_status=status, command=("pretrain", "other"))
    decided = decisions(chain)
    assert decided["first"] == StageDecision("run", why)
    assert decided["second"] == StageDecision(
        "wait", "waits for first, and is skipped if the outputs of first do not change"
    )


def test_a_run_is_not_resumed_with_a_changed_input(chain: Chain) -> None:
    (chain.folder / "first/encoder").write_text("others")
    change(chain, "first", outputs={"encoder": Digests().of(chain.folder / "first/encoder")})
    for status in (0, None, 75, 2):
        change(chain, "second", exit_status=status)
        folder = chain.folder / "second"
        assert decisions(chain)["second"] == StageDecision(
            "refuse",
            f"first/encoder changed since {folder} was created; move {folder} away, or use "
            "--redo second",
        )
    shutil.rmtree(folder)
    assert decisions(chain)["second"].reason == "starts"


def test_a_stage_with_arguments_runs_again_with_a_changed_input(chain: Chain) -> None:
    newest = chain.folder / "second/checkpoints/step-0000010/manifest.json"
    newest.write_text("sums of other files")
    change(chain, "second", outputs={"": Digests().of(chain.folder / "second")})
    assert decisions(chain)["third"] == StageDecision("run", "runs again: second changed", True)


def test_with_a_changed_command_the_program_runs_again(chain: Chain) -> None:
    for name, archives in (("second", False), ("third", True)):
        old = read_state(chain.folder).stages[name]
        change(chain, name, command=(*old.command[:1], "x=1", *old.command[2:]))
        decision = decisions(chain)[name]
        assert decision.action == "run" and decision.archives is archives
        assert decision.reason == f"runs again: its command changed, x=1 became {old.command[1]}"
        change(chain, name, command=old.command)


def test_with_a_changed_recipe_the_program_runs_again(chain: Chain) -> None:
    recipe = write(chain.folder.with_name("chain.recipe"), "{seed: 1}")
    assert decisions(chain)["second"] == StageDecision(
        "run", f"runs again: its recipe {recipe} changed"
    )


def test_editing_a_recipe_while_the_chain_runs_does_not_stop_it(chain: Chain) -> None:
    write(chain.folder.with_name("chain.recipe"), "{seed: 1}")
    change(chain, "third", exit_status=75)
    planner, state = StagePlanner(chain, Digests()), read_state(chain.folder)
    third = chain.stages[2]
    assert planner.decide(third, state).reason == "waits for second"
    assert planner.decide_now(third, state).reason == "resumes, it had saved and stopped"
    recipe = chain.stages[1].recipe
    assert planner.outdated_inputs(third, state) == [f"second: its recipe {recipe} changed"]
    assert planner.outdated_inputs(chain.stages[1], state) == []
    shutil.rmtree(chain.folder / "second")
    assert planner.decide_now(third, state).action == "wait"
    change(chain, "second", exit_status=None)
    assert planner.decide_now(third, read_state(chain.folder)).action == "wait"


def test_a_missing_output_is_written_again(chain: Chain) -> None:
    (chain.folder / "first/encoder").unlink()
    assert decisions(chain)["first"] == StageDecision("run", "runs again: first/encoder is missing")
    shutil.rmtree(chain.folder / "first")
    assert decisions(chain)["first"].reason == f"runs again: {chain.folder}/first is missing"
    shutil.rmtree(chain.folder / "third")  # which no stage reads
    assert decisions(chain)["second"].action == "wait"


def test_an_output_that_was_changed_is_neither_used_nor_replaced(chain: Chain) -> None:
    (chain.folder / "first/encoder").write_text("others")
    decision = decisions(chain)["first"]
    assert decision.action == "refuse"
    assert decision.reason.startswith(
        "first/encoder was changed after the stage had completed; restore it, or remove it "
    )
    planner, state = StagePlanner(chain, Digests()), read_state(chain.folder)
    assert planner.decide_now(chain.stages[1], state) == decision  # a job of this stage alone


def test_files_without_a_record_are_refused(chain: Chain) -> None:
    (chain.folder / "chain.json").unlink()
    folder = chain.folder / "first"
    assert decisions(chain)["first"] == StageDecision(
        "refuse",
        f"{folder} has files, but chain.json has no record of the stage; move {folder} away, or "
        "use --redo first",
    )


def test_a_file_that_a_complete_stage_has_not_written_is_named_with_its_line(chain: Chain) -> None:
    text = chain.path.read_text().replace("}/encoder", "}/encoder.pth")
    other = read_chain(write(chain.path, text))
    with pytest.raises(ChainError) as refused:
        decisions(other)
    assert str(refused.value) == (
        f"{chain.path}:4: first is complete, but has not written encoder.pth; it wrote encoder"
    )


def test_redo_includes_dependent_stages(chain: Chain) -> None:
    assert stages_to_redo(chain, ["third"]) == ["third"]
    assert stages_to_redo(chain, ["second", "first"]) == ["second", "first", "third"]
    with pytest.raises(ChainError, match=r"no stage is called 'frist'; did you mean first\?"):
        stages_to_redo(chain, ["frist"])


def test_an_archived_stage_keeps_folder_log_and_record(chain: Chain) -> None:
    for number in (1, 2):
        (chain.folder / "second").mkdir(exist_ok=True)
        (chain.folder / "second.log").write_text(f"log {number}")
        record = record_stage(
            chain.folder, "second", replace(read_state(chain.folder).stages["first"], starts=9)
        )
        archive_stage(chain, "second")
        new_name = f"second.old-{number}"
        assert (chain.folder / new_name).is_dir()
        assert (chain.folder / f"{new_name}.log").read_text() == f"log {number}"
        assert read_state(chain.folder).archived[new_name] == record
    assert (chain.folder / "second.old-1/checkpoints").is_dir()
    assert decisions(chain)["second"] == StageDecision("run", "starts")


def test_the_digest_of_a_run_is_of_its_weights(chain: Chain) -> None:
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
