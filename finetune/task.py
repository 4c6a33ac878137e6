"""What a sample's label may be: one class, or several."""

from typing import Literal

Task = Literal["single_label", "multi_label"]
ANY_TASK: tuple[Task, ...] = ("single_label", "multi_label")
