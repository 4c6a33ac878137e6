import json
import re
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest

from launch.report.panels import make_charts
from launch.report.reference_runs import read_references
from launch.report.render import render
from launch.report.run_data import read_runs
from tests.launch.report.run_folders import (
    FINETUNE,
    PRETRAIN,
    STEPS,
    curve,
    lines_of,
    read_run,
    start,
    write_encoder,
    write_evaluation,
    write_image,
    write_run,
)

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7*7 }}$x^2$\u202egpj"
VOID = {"meta", "img", "br", "line", "link", "hr"}


class Elements(HTMLParser):
    """The elements of a page, which must be closed in order, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.headings: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "
        if self._open[-1:] == ["h2"]:
            self.headings.append(data)


def page_of(*folders: Path) -> str:
    return render(read_runs(folders), read_references(print))


def require_self_contained(page: str) -> Elements:
    """The page has no scripts and loads nothing."""
    elements = Elements(page)
    assert {tag for tag, _ in elements.found}.isdisjoint({"script", "link", "iframe", "object"})
    for tag, attributes in elements.found:
        for name, value in attributes.items():
            assert not name.startswith("on"), f"{tag} {name}"
            if name in ("src", "href", "xlink:href"):
                assert str(value).startswith(("data:image/", "#c")), f"{tag} {name}={value}"
    style = page[page.index("<style") : page.index("</style>")]
    assert "url(" not in style and "@import" not in style
    assert "http" not in re.sub(r"<meta http-equiv", "", page.replace(HOSTILE, ""))
    return elements


def test_a_page_of_a_pretraining_has_all_parts_in_order(tmp_path: Path) -> None:
    lines = lines_of(STEPS, loss__source__ours=0.7, probe__knn=0.3, probe__chance=0.1)
    rows = ["a.mp4,pyav,25,90000,3600,640,480,ours", "b.mp4,pyav,25,45000,1800,640,480,theirs"]
    starts = [start(), start(200, packages={"torch": "2.7.0"})]
    folder = write_run(tmp_path / "first", lines=lines, recordings=rows, starts=starts)
    write_image(folder / "reconstruction.png")
    write_encoder(folder, 600)
    (folder / "unreadable.jsonl").write_text('{"path": "c", "reason": "torn", "during": "reads"}\n')
    elements = require_self_contained(page_of(folder))
    assert elements.headings == [
        "Is this loss normal?",
        "Curves",
        "Images",
        "Throughput and starts",
        "Data",
        "Configuration",
    ]
    for text in (
        "complete (encoder.safetensors is written)",
        "of 600",
        "25 % below the constant baseline",
        "recipe demo on",
        "torch 2.6.0 became 2.7.0",
        "SLURM job 4711",
        "abc1234",
        "1.0 h",
        "30 min",
        "1.5 h",
        "torn",
        "variance_floor: 0.0004",
    ):
        assert text in elements.text, text
    assert sum(tag == "img" for tag, _ in elements.found) == 1


def test_text_from_files_is_escaped(tmp_path: Path) -> None:
    named = [{"step": i, f"loss/source/{HOSTILE}": 0.1 * i, HOSTILE: i} for i in (600, 601)]
    lines = [*lines_of(STEPS), *named]
    config = {**PRETRAIN, "data": {"source": HOSTILE}, HOSTILE: HOSTILE}
    fields = {name: HOSTILE for name in ("time", "host", "device", "launcher", "git_commit")}
    starts = [start(**fields, packages={HOSTILE: HOSTILE}), start(command=[HOSTILE])]
    quoted = HOSTILE.replace('"', '""')
    rows = [f'"{quoted}","{quoted}",25,1,"{quoted}",1,1,"{quoted}"']
    folder = write_run(tmp_path / "<b>run", config, lines, starts, rows)
    failure = {"path": HOSTILE, "reason": HOSTILE, "during": HOSTILE}
    (folder / "unreadable.jsonl").write_text(json.dumps(failure) + "\n")
    write_image(folder / "<script>alert(3)<.png")
    write_evaluation(folder, "test", 0.3)
    metrics = folder / "evaluation_test" / "metrics.json"
    metrics.write_text(metrics.read_text().replace("operation06", json.dumps(HOSTILE)[1:-1]))
    plain = write_run(tmp_path / "plain", lines=lines_of(STEPS))
    for page in (page_of(folder), page_of(folder, plain)):
        elements = require_self_contained(page)
        assert elements.text.count("<script>alert(1)</script>") > 5
        assert "49" not in re.findall(r"onerror=alert\(2\)>(\w*)", elements.text)
        assert "\u202e" not in page
        assert "<script>alert(3)<.png" in elements.text
        assert "<b>run" in elements.text


def test_a_folder_whose_name_is_not_valid_text(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "caf\udce9", lines=lines_of(STEPS))
    assert "caf\ufffd" in page_of(folder)


@pytest.mark.parametrize("name", ["config.yaml", "environment.json", "log.jsonl", "manifest.csv"])
def test_a_missing_file_is_reported_on_the_page(tmp_path: Path, name: str) -> None:
    folder = write_run(tmp_path / "run", lines=lines_of(STEPS))
    (folder / name).unlink()
    text = require_self_contained(page_of(folder)).text
    assert (f"{name} is missing" in text) == (name != "manifest.csv")
    assert ("Missing or damaged files" in text) == (name != "manifest.csv")


def test_a_run_that_has_just_begun(tmp_path: Path) -> None:
    text = require_self_contained(page_of(write_run(tmp_path / "run"))).text
    assert "This is unknown." in text and "Nothing is logged yet." in text
    assert "not complete, probably running" in text
    text = require_self_contained(page_of(write_run(tmp_path / "run", lines=lines_of([1])))).text
    assert "It is too early to tell." in text


def test_a_page_of_a_finetuning_shows_its_results(tmp_path: Path) -> None:
    values = {"loss/train": 1.5, "val/chance": 0.1667, "other/figure": 4.0}
    lines = [{"step": step, "val/top-1": 0.01 * step, **values} for step in (25, 50)]
    folder = write_run(tmp_path / "phases", FINETUNE, lines)
    write_evaluation(folder, "test", 0.32)
    elements = require_self_contained(page_of(folder))
    assert elements.headings[0] == "Validation and test"
    for text in (
        "top-1, test",
        "0.320",
        "majority class 0.230",
        "operation06",
        "runs/first",
        "Validation, per sample",
        "other/figure 4",
    ):
        assert text in elements.text, text
    assert "Is this loss normal?" not in elements.text


def test_several_runs_are_shown_side_by_side(tmp_path: Path) -> None:
    other = {**PRETRAIN, "seed": 1, "optimizer": {"base_lr": 0.01, "betas": [0.9, 0.95]}}
    a = write_run(tmp_path / "a" / "run", lines=lines_of(STEPS))
    b = write_run(
        tmp_path / "b" / "run", other, lines_of(STEPS, loss__train=0.89), [start(), start(300)]
    )
    c = write_run(tmp_path / "c", FINETUNE, [{"step": 9, "loss/train": 1.0}])
    write_image(a / "reconstruction.png")
    text = require_self_contained(page_of(a, b)).text
    differing = text[text.index("Different settings") : text.index("Is this loss")]
    words = " ".join(differing.split())
    assert words.endswith("settings 2 keys key a/run b/run optimizer.base_lr 0.024 0.01 seed 0 1")
    assert "a/run: Yes" in text and "b/run: No." in text
    assert "does not exist" in text
    assert "variance_floor" not in text
    (b / "config.yaml").unlink()
    assert "None, except the run folder." in require_self_contained(page_of(a, b)).text
    text = require_self_contained(page_of(a, b, c)).text
    assert "head.kind" in text and ": finetuning" in text


def test_a_run_has_the_same_colour_in_every_chart(tmp_path: Path) -> None:
    first = write_run(tmp_path / "a", lines=[{"step": s, "x/y": float(s)} for s in (1, 2)])
    second = write_run(tmp_path / "b", lines=lines_of(STEPS, x__y=1.0))
    charts, _ = make_charts(read_runs([first, second]))
    colours = {line.name: set[str]() for chart in charts for line in chart.lines if line.name}
    for chart in charts:
        for line in chart.lines:
            colours.get(line.name, set()).add(line.colour)
    assert {name: len(used) for name, used in colours.items()} == {"a": 1, "b": 1}
    assert colours["a"] != colours["b"]


def test_every_curve_is_drawn_once_or_is_a_constant(tmp_path: Path) -> None:
    more = {f"new/{i}": 1.0 for i in range(9)} | {"alone": 1.0, "val/top-1": 0.1, "features/std": 1}
    lines = [{"step": s, **curve(s), **{k: v * s for k, v in more.items()}} for s in STEPS]
    run = read_run(write_run(tmp_path / "run", lines=lines))
    charts, constants = make_charts([run])
    drawn = [id(line.curve) for chart in charts for line in chart.lines]
    undrawn = {id(run.curves[name]) for name in constants}
    assert set(drawn) | undrawn == {id(curve) for curve in run.curves.values()}
    assert len(drawn) == len(set(drawn)) and not set(drawn) & undrawn
    assert set(constants) == {"optimizer/skipped", "speed/clips_per_second", "speed/data_wait"}
    assert max(len(chart.lines) for chart in charts) <= 8


def test_a_long_log_makes_a_small_page_quickly(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    with (folder / "log.jsonl").open("w") as log:
        for i in range(100_000):
            noise = (i * 7919 % 101) / 1000
            log.write(
                f'{{"step": {i}, "loss/train": {0.7 + noise}, "loss/constant_baseline": 0.9}}\n'
            )
    began = time.process_time()
    page = page_of(folder)
    assert time.process_time() - began < 30
    assert len(page) < 500_000
    longest = max(re.findall(r'd="([^"]*)"', page), key=len)
    assert 500 < longest.count("L") <= 1000
