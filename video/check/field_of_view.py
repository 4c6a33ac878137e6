"""Estimates the field of view of an endoscope from many frames of a recording."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, UInt8

from video.recording import FieldOfView

DARK = 20  # grey level that pixels outside the field of view rarely exceed
BRIGHT_SHARE = 0.05  # of the frames in which a pixel inside is brighter than DARK
FULL_SHARE = 0.985  # of the pixels: from here on, the field of view is the whole frame
MIN_MEAN = 15  # grey level of the frames that are used
MIN_FRAMES = 8
SIMPLER = 0.01  # of IoU that a simpler shape may lack
MIN_IOU = 0.95  # intersection over union of a shape with the pixels


def estimate_view(frames: Sequence[UInt8[np.ndarray, "y x"]]) -> FieldOfView | None:
    """The simplest shape that fits; None where it is the whole frame, or where no shape fits.

    `frames` are grey frames of one size from all over the recording. A pixel is inside if it is
    bright in some of them, and connected to the centre.
    """
    lit = [frame for frame in frames if frame.mean() > MIN_MEAN]
    if len(lit) < MIN_FRAMES:
        return None
    inside = _connected_to_centre(np.quantile(np.stack(lit), 1 - BRIGHT_SHARE, axis=0) > DARK)
    if not 0.1 < inside.mean() < FULL_SHARE:
        return None
    shapes = [_fit_box(inside), *_fit_round(inside)]
    scores = [_iou(shape, inside) for shape in shapes]
    best = next(
        shape for shape, score in zip(shapes, scores, strict=True) if score > max(scores) - SIMPLER
    )
    fits = max(scores) > MIN_IOU and rasterize(best, *inside.shape).mean() < FULL_SHARE
    return replace(best, numbers=tuple(round(n, 4) for n in best.numbers)) if fits else None


def _connected_to_centre(bright: Bool[np.ndarray, "y x"]) -> Bool[np.ndarray, "y x"]:
    """The bright pixels connected to those in the middle third, so no clock in a corner."""
    rows, columns = bright.shape
    reached = np.zeros((rows + 2, columns + 2), bool)
    middle = (slice(rows // 3, -(rows // 3)), slice(columns // 3, -(columns // 3)))
    reached[1:-1, 1:-1][middle] = bright[middle]
    count = -1
    while count != (count := int(reached.sum())):
        grown = reached[:-2, 1:-1] | reached[2:, 1:-1] | reached[1:-1, :-2] | reached[1:-1, 2:]
        reached[1:-1, 1:-1] |= grown & bright
    return reached[1:-1, 1:-1]


def rasterize(view: FieldOfView, rows: int, columns: int) -> Bool[np.ndarray, "rows columns"]:
    """Whether the centre of each pixel is inside."""
    y, x = np.mgrid[:rows, :columns]
    return view.contains((y + 0.5) / rows, (x + 0.5) / rows)


def _iou(view: FieldOfView, inside: Bool[np.ndarray, "y x"]) -> float:
    fitted = rasterize(view, *inside.shape)
    return float((fitted & inside).sum() / (fitted | inside).sum())


def _fit_box(inside: Bool[np.ndarray, "y x"]) -> FieldOfView:
    """The rows and columns that are mostly inside."""
    height = len(inside)
    rows = np.flatnonzero(inside.mean(axis=1) > 0.5 * inside.mean(axis=1).max())
    columns = np.flatnonzero(inside.mean(axis=0) > 0.5 * inside.mean(axis=0).max())
    edges = (rows[0], columns[0], rows[-1] + 1, columns[-1] + 1)
    return FieldOfView("box", tuple(float(edge) / height for edge in edges))


def _fit_round(inside: Bool[np.ndarray, "y x"]) -> list[FieldOfView]:
    """A circle and an upright ellipse through the border between inside and outside."""
    height = len(inside)
    found = []
    points = _border(inside) / height
    for kind in ("circle", "ellipse"):
        fitted = _fit_conic(points, is_ellipse=kind == "ellipse")
        if fitted is not None:
            row, column, *radii = fitted
            found.append(FieldOfView(kind, (row, column, *radii[: 2 - (kind == "circle")])))
    return found


def _fit_conic(points: Float[np.ndarray, "n 2"], is_ellipse: bool) -> list[float] | None:
    """Least squares (Kasa, 1976), trimmed twice: the centre, and both radii."""
    min_points = len(points) // 3
    for tolerance in (0.06, 0.02):
        if len(points) < max(min_points, 12):
            return None
        y, x = points.T
        terms = [y, x, np.ones(len(y))] + ([x**2] if is_ellipse else [])
        known = y**2 + (0 if is_ellipse else x**2)
        (a, b, c, *rest), *_ = np.linalg.lstsq(np.stack(terms, axis=1), known, rcond=None)
        ratio = -rest[0] if rest else 1.0  # y^2 + ratio x^2 = a y + b x + c
        if ratio <= 0:
            return None
        row, column = a / 2, b / 2 / ratio
        vertical = float(np.sqrt(max(c + row**2 + ratio * column**2, 1e-4)))
        off = np.abs(np.hypot(y - row, (x - column) * np.sqrt(ratio)) - vertical)
        points = points[off < max(tolerance, 2 * float(np.median(off)))]
    return [float(row), float(column), vertical, vertical / float(np.sqrt(ratio))]


def _border(inside: Bool[np.ndarray, "y x"]) -> Float[np.ndarray, "n 2"]:
    """The ends of the outermost inside pixels by row and column, except at the frame's edge."""
    points: list[tuple[float, float]] = []
    rows, columns = inside.shape
    for row in range(rows):
        (found,) = np.nonzero(inside[row])
        if len(found) and found[0] > 1:
            points.append((row + 0.5, float(found[0])))
        if len(found) and found[-1] < columns - 2:
            points.append((row + 0.5, found[-1] + 1.0))
    for column in range(columns):
        (found,) = np.nonzero(inside[:, column])
        if len(found) and found[0] > 1:
            points.append((float(found[0]), column + 0.5))
        if len(found) and found[-1] < rows - 2:
            points.append((found[-1] + 1.0, column + 0.5))
    return np.array(points, np.float64).reshape(-1, 2)
