"""The formats of label files with several labels per timestamp, such as tools or triplets."""

from pathlib import Path

from video.labels import cholec80, cholect50, csv_table
from video.labels.label_format import LabelFormat, LabelOptions, read_by_format
from video.labels.segments import MISSING, LabelError, MultiLabelFile

MULTI_LABEL_FORMATS: dict[str, LabelFormat[MultiLabelFile]] = {
    "cholect50": LabelFormat(
        "CholecT50's JSON", (".json",), cholect50.is_json_text, cholect50.read_several_classes
    ),
    "cholec80": LabelFormat(
        "Cholec80's tools", ("-tool.txt", ".txt"), cholec80.is_tool_text, cholec80.read_tools
    ),
    "csv": LabelFormat(
        "CSV (commas, semicolons or tabs) with times and a column per class",
        (".csv",),
        csv_table.is_csv_text,
        csv_table.read_class_columns,
    ),
}


def read_multi_labels(
    path: Path, recording: str, label_fps: float = 25.0, category: str = ""
) -> MultiLabelFile:
    """Reads a file of labels; its format is recognised by content.

    `recording`: the recording of labels that name none. `label_fps`: see `LabelOptions`. Raises
    LabelError, with file and line.
    """
    options = LabelOptions(recording, label_fps, category)
    hint = "for one label per timestamp, set multi_label: false"
    file = read_by_format(MULTI_LABEL_FORMATS, path, options, hint)
    values = (segment.values for segments in file.segments.values() for segment in segments)
    if not any(set(each) != {MISSING} for each in values):
        raise LabelError(f"{path}: contains no labels")
    return file
