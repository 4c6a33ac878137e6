import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from launch.cli import main
from launch.errors import ConfigError
from tests.conftest import ROOT
from tests.launch.report.run_folders import (
    STEPS,
    lines_of,
    write_encoder,
    write_evaluation,
    write_image,
    write_run,
)

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)


def test_one_run_has_its_page_in_its_folder(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    folder = write_run(tmp_path / "run", lines=lines_of(STEPS))
    main(["report", str(folder)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(
        "run: steps 600 of 600; training loss 0.675 25 % below the constant baseline"
    )
    assert lines[-1] == str(folder / "report.html")
    assert (folder / "report.html").read_text().startswith("<!DOCTYPE html>")


def test_several_runs_have_their_page_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    folders = [write_run(tmp_path / name, lines=lines_of(STEPS)) for name in "ab"]
    (folders[1] / "environment.json").unlink()
    monkeypatch.chdir(tmp_path)
    main(["report", *map(str, folders)])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["a:", "b:", "environment.json", "report.html"]
    assert Path("report.html").is_file()


def test_a_reference_is_written_instead(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", lines=lines_of(STEPS))
    main(["report", str(folder), "--as-reference", str(tmp_path / "x.json")])
    assert (tmp_path / "x.json").is_file() and not (folder / "report.html").exists()
    with pytest.raises(ConfigError, match="takes one run"):
        main(["report", str(folder), str(folder), "--as-reference", str(tmp_path / "y.json")])


def test_a_mistyped_out_replaces_no_file_of_the_run(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", lines=lines_of(STEPS))
    before = (folder / "config.yaml").read_text()
    with pytest.raises(ConfigError, match=r"is not an HTML file; end it with \.html"):
        main(["report", str(folder), "--out", str(folder / "config.yaml")])
    with pytest.raises(ConfigError, match=r"cannot be written .* choose another path"):
        main(["report", str(folder), "--out", str(tmp_path / "nowhere" / "x.html")])
    assert (folder / "config.yaml").read_text() == before


def test_a_folder_that_is_not_a_run_is_refused_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "launch", "report", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1 and "is not a run" in done.stderr


def test_a_page_is_made_without_torch(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", lines=lines_of(STEPS))
    code = f"import sys; from launch.cli import main; main(['report', {str(folder)!r}])\n"
    code += "print(sorted({'torch', 'deepspeed', 'timm', 'av'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("[]\n")


def browse(*options: str) -> str:
    assert BROWSER is not None
    quiet = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    done = subprocess.run(
        [BROWSER, *quiet, "--host-resolver-rules=MAP * ~NOTFOUND", *options],
        capture_output=True,
        text=True,
        timeout=900,
        check=True,
    )
    return done.stdout


@pytest.mark.skipif(BROWSER is None, reason="there is no chromium or google-chrome")
def test_a_browser_without_network_shows_the_page(tmp_path: Path) -> None:
    from PIL import Image

    name = "<script>document.title='taken'</script>.mp4"
    folder = write_run(
        tmp_path / "run", lines=lines_of(STEPS), recordings=[f"{name},pyav,25,1,9,1,1,"]
    )
    write_image(folder / "reconstruction.png", 400)
    write_evaluation(folder, "test", 0.3)
    write_encoder(folder, 600)
    main(["report", str(folder), "--out", str(tmp_path / "page.html")])
    address = (tmp_path / "page.html").as_uri()
    shown = browse("--dump-dom", address)
    assert "<title>surgmask: run</title>" in shown  # the script did not run
    assert "&lt;script&gt;document.title" in shown
    assert "Is this loss normal?" in shown and shown.count("<svg") >= 4
    picture = tmp_path / "page.png"
    browse("--window-size=1200,2400", f"--screenshot={picture}", address)
    with Image.open(picture) as image:
        seen = image.convert("RGB").getcolors(2**24) or []
    blue = sum(number for number, colour in seen if colour == (0, 0x72, 0xB2))
    assert blue > 300  # a curve
    assert len(seen) > 50_000  # the picture, which is noise
