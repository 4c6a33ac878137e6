"""The formats of label files with at most one label per timestamp, such as phases."""

from pathlib import Path

from video.labels import cholec80, cholect50, csv_table
from video.labels.label_format import LabelFormat, LabelOptions, read_by_format
from video.labels.segments import LabelError, LabelFile

SINGLE_LABEL_FORMATS: dict[str, LabelFormat[LabelFile]] = {
    "cholect50": LabelFormat(
        "CholecT50's JSON", (".json",), cholect50.is_json_text, cholect50.read_one_category
    ),
    "cholec80": LabelFormat(
        "Cholec80's phases", ("-phase.txt", ".txt"), cholec80.is_phase_text, cholec80.read_phases
    ),
    "csv": LabelFormat(
        "CSV (commas, semicolons or tabs) with times and a column phase or label",
        (".csv",),
        csv_table.is_csv_text,
        csv_table.read_label_column,
    ),
}


def read_labels(
    path: Path, recording: str, label_fps: float = 25.0, category: str = "phase"
) -> LabelFile:
    """Reads a file of labels; its format is recognised by content.

    `recording`: the recording of labels that name none. `label_fps`: see `LabelOptions`. Raises
    LabelError, with file and line.
    """
    options = LabelOptions(recording, label_fps, category)
    hint = "for several labels per timestamp, set multi_label: true"
    file = read_by_format(SINGLE_LABEL_FORMATS, path, options, hint)
    if not any(file.segments.values()):
        raise LabelError(f"{path}: contains no labels")
    return file
