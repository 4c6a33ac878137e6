"""Synthetic endoscopic videos with phase labels, for demos and tests.

A round field of view on black, moving and breathing tissue with vessels, instruments with shadows,
specular highlights, and smoke. The result depends only on the seed.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from video.encode import AS_RECORDED, write_h264

FPS = 25
CANVAS = 384  # side of the tissue texture; the camera sees a part of it
SENSOR_NOISE = 0.005


class Phase(NamedTuple):
    """The appearance of a phase of the operation."""

    name: str
    instruments: int
    smoke: float
    view: float  # half the width of the camera's view, in units of half the texture
    bleeding: float


# Names of phases as in Cholec80 (Twinanda et al., 2017).
PHASES = (
    Phase("Preparation", 1, 0.00, 0.40, 0.0),
    Phase("CalotTriangleDissection", 2, 0.25, 0.28, 0.1),
    Phase("ClippingCutting", 2, 0.00, 0.20, 0.2),
    Phase("GallbladderDissection", 2, 0.60, 0.30, 0.4),
    Phase("GallbladderPackaging", 1, 0.05, 0.36, 0.2),
    Phase("CleaningCoagulation", 1, 0.45, 0.33, 0.7),
)


def synthesize(folder: Path, recordings: int, seconds: float, size: int, seed: int) -> list[Path]:
    """Writes videos of `size` rows and 4/3 as many columns, and returns their files.

    `NAME-phase.txt`, in the same folder, has the phase of every frame in Cholec80's format.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows, columns = size // 2 * 2, round(size * 2 / 3) * 2
    files = []
    for number in range(recordings):
        rng = np.random.Generator(np.random.Philox(key=[seed, number]))
        scene = Scene(rows, columns, rng)
        phases = draw_phases(round(seconds * FPS), rng)
        file = folder / f"operation{number + 1:02d}.mp4"
        frames = ((n / FPS, pixels) for n, pixels in enumerate(scene.render(phases)))
        write_h264(file, frames, FPS, AS_RECORDED)
        lines = (f"{frame}\t{phase.name}\n" for frame, phase in enumerate(phases))
        file.with_name(f"{file.stem}-phase.txt").write_text("Frame\tPhase\n" + "".join(lines))
        files.append(file)
    return files


def draw_phases(frames: int, rng: np.random.Generator) -> list[Phase]:
    """The phase of every frame: all phases in their order, of random lengths."""
    shares = rng.uniform(0.5, 1.5, len(PHASES))
    ends = np.cumsum(shares) / shares.sum() * frames
    return [PHASES[int(np.searchsorted(ends, frame, side="right"))] for frame in range(frames)]


def smooth_noise(cells: int, rng: np.random.Generator, side: int = CANVAS) -> Float[Tensor, "y x"]:
    """Smooth noise in 0..1 with `cells` cells along a side."""
    coarse = torch.from_numpy(rng.random((1, 1, cells + 1, cells + 1), dtype=np.float32))
    fine = F.interpolate(coarse, (side, side), mode="bicubic", align_corners=True)[0, 0]
    return fine.clamp(0, 1)


def tissue_texture(rng: np.random.Generator) -> Float[Tensor, "c y x"]:
    """RGB of tissue with fat and vessels, and a fourth channel of specular highlights."""
    colours = torch.tensor([[0.62, 0.20, 0.17], [0.88, 0.63, 0.38], [0.78, 0.40, 0.38]])
    fat, serosa = smooth_noise(7, rng), smooth_noise(5, rng)
    fat_share = ((fat - 0.45) * 5).clamp(0, 1)[None]
    serosa_share = ((serosa - 0.5) * 4).clamp(0, 1)[None]
    liver, yellow, pink = (colour.view(3, 1, 1) for colour in colours)
    tissue = torch.lerp(torch.lerp(liver, pink, serosa_share), yellow, fat_share)
    grain = 0.6 * smooth_noise(14, rng) + 0.3 * smooth_noise(30, rng) + 0.1 * smooth_noise(90, rng)
    tissue = tissue * (0.55 + 0.9 * grain)
    ridge = (smooth_noise(5, rng) - 0.5).abs() + 0.15 * (smooth_noise(20, rng) - 0.5).abs()
    vessel = (1 - ridge / 0.08).clamp(0, 1)[None]
    tissue = torch.lerp(tissue, torch.tensor([0.42, 0.05, 0.07]).view(3, 1, 1), 0.8 * vessel)
    shine = ((smooth_noise(28, rng) * smooth_noise(60, rng) - 0.6) * 7).clamp(0, 1)
    return torch.cat([tissue, shine[None]])


class SmoothPath(NamedTuple):
    """A slow, smooth random path in about -1..1: a sum of sines."""

    rates: Float[np.ndarray, " k"]  # radians per second
    phases: Float[np.ndarray, " k"]

    @classmethod
    def draw(cls, rng: np.random.Generator, max_rate: float) -> "SmoothPath":
        rates = 2 * math.pi * max_rate * rng.uniform(0.2, 1.0, 3)
        return cls(rates, rng.uniform(0, 2 * math.pi, 3))

    def at(self, seconds: float) -> float:
        return float(np.sin(self.rates * seconds + self.phases).mean() * 1.5)


class Instrument(NamedTuple):
    """A shaft that enters from outside the frame, with two jaws at its tip."""

    angle: float  # direction from which it enters
    along: SmoothPath
    across: SmoothPath
    opening: SmoothPath
    tint: float

    @classmethod
    def draw(cls, rng: np.random.Generator, angle: float) -> "Instrument":
        paths = (SmoothPath.draw(rng, 0.35), SmoothPath.draw(rng, 0.3), SmoothPath.draw(rng, 0.8))
        return cls(angle + rng.uniform(-0.4, 0.4), *paths, rng.uniform(0.85, 1.1))

    def tip(self, seconds: float) -> tuple[float, float]:
        """Position of the tip in units of half the frame's height, y down."""
        reach, offset = 0.25 + 0.3 * self.along.at(seconds), 0.3 * self.across.at(seconds)
        x, y = math.cos(self.angle), math.sin(self.angle)
        return y * reach + x * offset, x * reach - y * offset


class Scene:
    """One operation: tissue, camera and instruments."""

    def __init__(self, rows: int, columns: int, rng: np.random.Generator) -> None:
        self._rng = rng
        self._texture = tissue_texture(rng)
        self._smoke = smooth_noise(5, rng)[None]
        self._camera = [SmoothPath.draw(rng, rate) for rate in (0.12, 0.12, 0.05)]
        self._instruments = [Instrument.draw(rng, angle) for angle in (2.6, 0.5)]
        y = (torch.arange(rows) + 0.5) / rows * 2 - 1
        x = ((torch.arange(columns) + 0.5) / columns * 2 - 1) * columns / rows
        self._y, self._x = torch.meshgrid(y, x, indexing="ij")
        self._radius = torch.hypot(self._y, self._x)
        self._inside = ((0.97 - self._radius) * rows / 3).clamp(0, 1)
        self._light = 1.25 / (1 + 1.1 * self._radius**2)

    def render(self, phases: list[Phase]) -> Iterator[UInt8[np.ndarray, "h w c"]]:
        """A frame for each entry of `phases`; the appearance changes smoothly within a second."""
        appearance = np.array(phases[0][1:])
        for number, phase in enumerate(phases):
            appearance += (np.array(phase[1:]) - appearance) * 3 / FPS
            yield self._frame(number / FPS, *appearance.tolist())

    def _frame(
        self, seconds: float, instruments: float, smoke: float, view: float, bleeding: float
    ) -> UInt8[np.ndarray, "h w c"]:
        sampled = self._sample(self._texture, self._tissue_at(seconds, view))
        image, shine = sampled[:3], sampled[3:]
        blood = torch.tensor([1.0, 1 - 0.55 * bleeding, 1 - 0.55 * bleeding]).view(3, 1, 1)
        image = image * blood * self._light + 0.9 * shine * self._light**2
        for order, instrument in enumerate(self._instruments):
            if instruments > order + 0.05:
                out = max(0.0, 1 - (instruments - order))  # how far it is retracted
                image = self._draw(image, instrument, seconds, out)
        haze = self._sample(self._smoke, (self._y * 0.5 - 0.12 * seconds, self._x * 0.5))
        haze = (haze + self._sample(self._smoke, (self._y - 0.2 * seconds, self._x + 0.3))) / 2
        image = torch.lerp(image, torch.full_like(image, 0.78), smoke * haze * self._light)
        image = image.clamp(0, 1) * self._inside
        noise = torch.from_numpy(self._rng.standard_normal(image.shape, dtype=np.float32))
        pixels = ((image + SENSOR_NOISE * noise).clamp(0, 1) * 255).round().to(torch.uint8)
        return pixels.permute(1, 2, 0).contiguous().numpy()

    def _tissue_at(self, seconds: float, view: float) -> tuple[Tensor, Tensor]:
        """Texture coordinates: the camera's pose, displaced by breath and pulse."""
        down, right, roll = (wander.at(seconds) for wander in self._camera)
        cos, sin = math.cos(0.4 * roll), math.sin(0.4 * roll)
        y = (cos * self._y - sin * self._x) * view + 0.3 * down
        x = (sin * self._y + cos * self._x) * view + 0.3 * right
        breath = 0.03 * math.sin(2 * math.pi * 0.25 * seconds)
        pulse = 0.006 * math.sin(2 * math.pi * 1.1 * seconds)
        y = y + breath * torch.cos(3 * x) + pulse * torch.sin(9 * x + 2 * y)
        return y, x + 0.6 * breath * torch.sin(4 * y)

    @staticmethod
    def _sample(texture: Tensor, coordinates: tuple[Tensor, Tensor]) -> Float[Tensor, "c y x"]:
        grid = torch.stack([coordinates[1], coordinates[0]], dim=-1)[None]
        sampled = F.grid_sample(texture[None], grid, padding_mode="reflection", align_corners=False)
        return sampled[0]

    def _draw(
        self, image: Tensor, instrument: Instrument, seconds: float, out: float
    ) -> Float[Tensor, "c y x"]:
        tip_y, tip_x = instrument.tip(seconds)
        dy, dx = math.sin(instrument.angle), math.cos(instrument.angle)
        tip_y, tip_x = tip_y + 1.2 * out * dy, tip_x + 1.2 * out * dx
        shadow = self._bar(tip_y + 0.10, tip_x + 0.05, dy, dx, 0.10)[0]
        image = image * (1 - 0.45 * shadow)
        shaft, across = self._bar(tip_y, tip_x, dy, dx, 0.075)
        metal = instrument.tint * (0.30 + 0.45 * (1 - across.abs()) + 0.3 * (across > 0.35))
        image = torch.lerp(image, (metal * self._light)[None].expand(3, -1, -1), shaft)
        spread = 0.25 + 0.2 * instrument.opening.at(seconds)
        for side in (-spread, spread):
            jaw_y = -dy * math.cos(side) + dx * math.sin(side)
            jaw_x = -dx * math.cos(side) - dy * math.sin(side)
            jaw = self._bar(tip_y, tip_x, jaw_y, jaw_x, 0.028, length=0.22)[0]
            image = torch.lerp(image, (0.75 * self._light)[None].expand(3, -1, -1), jaw)
        return image

    def _bar(
        self, y: float, x: float, dy: float, dx: float, half_width: float, length: float = 4.0
    ) -> tuple[Float[Tensor, "y x"], Float[Tensor, "y x"]]:
        """The coverage of each pixel by a bar from (y, x), and the position across the bar."""
        along = (self._y - y) * dy + (self._x - x) * dx
        across = ((self._x - x) * dy - (self._y - y) * dx) / half_width
        beyond = torch.maximum(-along, along - length) / half_width
        edge = torch.maximum(across.abs(), beyond)
        return ((1 - edge) * half_width * self._y.shape[0] / 2 + 0.5).clamp(0, 1), across
