"""Is this loss normal? What a person who has seen many of these curves would say first."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from launch.report.curves import Curve, ratio
from launch.report.formatting import gap, percent
from launch.report.headline import MUCH_WAITING
from launch.report.reference_runs import Reference, nearest, target_of
from launch.report.run_data import RunFacts
from launch.report.start_history import recipe_of
from launch.report.tolerant_read import number_of

Level = Literal["good", "early", "look", "bad", "unknown"]

LEARNED = 0.98  # of the trivial predictor's loss, below which something was learned
BEHIND = 0.05  # of that loss, above a reference, that is worth a look
RISEN = 1.05  # times the lowest stretch of the loss
CERTAIN = 3.0  # standard errors
MANY_SKIPPED = 0.01  # of all steps
COLLAPSED = 0.01  # spread of features of length 1: the same but for a hundredth
FEW_DIRECTIONS = 3.0  # effective rank of features that mostly share their mean

HEADLINES: dict[Level, str] = {
    "good": "Yes, as far as this can be told.",
    "early": "It is too early to say.",
    "look": "Perhaps not; it is worth a look.",
    "bad": "No.",
    "unknown": "It cannot be said.",
}


class Diagnosis(NamedTuple):
    """What is said of a pretraining's loss."""

    level: Level
    headline: str
    sentences: tuple[str, ...]
    remarks: tuple[str, ...]  # what else bears upon it


class Finding(NamedTuple):
    """A fact, and what it makes of the verdict; None leaves it."""

    level: Level | None
    text: str


def loss_ratio(run: RunFacts) -> Curve | None:
    """Loss over the trivial predictor's, which can be compared between runs."""
    loss, trivial = (run.curves.get(f"loss/{name}") for name in ("train", "trivial"))
    if loss is None or trivial is None:
        return None
    held = ratio(loss, trivial)
    return held if len(held.steps) else None


def diagnose(run: RunFacts, references: Sequence[Reference]) -> Diagnosis:
    """Of a pretraining; the worst that is found decides."""
    curve = loss_ratio(run)
    if curve is None:
        said = "The log has no loss beside that of the trivial predictor yet."
        return Diagnosis("unknown", HEADLINES["unknown"], (said,), ())
    reference = nearest(run, references)
    found = [_loss(run, curve), *_held_against(run, curve, reference), _early(run, curve)]
    remarks = [
        *_rising(run),
        *_views(run),
        *_skipped(run),
        *_features(run),
        *_probe(run),
        *_waiting(run),
    ]
    levels = {finding.level for finding in (*found, *remarks)}
    order: tuple[Level, ...] = ("bad", "early", "look")
    if "early" in levels:  # what a warm-up has not reached yet is no fault
        levels -= {"bad"}
    level: Level = next((each for each in order if each in levels), "good")
    sentences = tuple(finding.text for finding in (*found, _target(run)) if finding.text)
    return Diagnosis(level, HEADLINES[level], sentences, tuple(each.text for each in remarks))


def _loss(run: RunFacts, curve: Curve) -> Finding:
    recent = curve.recent
    loss, trivial = (run.curves[f"loss/{name}"] for name in ("train", "trivial"))
    first, last = int(recent.steps[0]), int(recent.steps[-1])
    now = [each.within(first, last).values.mean() for each in (loss, trivial)]
    mean = float(now[0] / now[1])
    learned = "" if mean < LEARNED else "; a model that has learned nothing has that, too"
    return Finding(
        "good" if mean < LEARNED else "bad",
        f"In steps {first:,} to {last:,} the loss is {now[0]:.3g}, {gap(mean)} the "
        f"{now[1]:.3g} of the trivial predictor, which knows only the average{learned}.",
    )


def _held_against(run: RunFacts, curve: Curve, reference: Reference | None) -> list[Finding]:
    if reference is None:
        return []
    recent, known = curve.recent, reference.ratio
    first, last, ends = int(recent.steps[0]), int(recent.steps[-1]), int(known.steps[-1])
    mean = float(recent.values.mean())
    same_target = target_of(run.config) == reference.target
    same = same_target and recipe_of(run.starts) == reference.recipe
    if last > ends:
        there, when = float(known.recent.values.mean()), f"at its end, step {ends:,}"
    else:
        there, when = _at(known, first, last), "in the same steps"
    behind = mean - there
    beside = "as good" if abs(behind) <= BEHIND / 2 else "behind it" if behind > 0 else "ahead"
    text = f"Recipe {reference.recipe} on {reference.data} was {gap(there)} it {when}; "
    text += f"this run is {beside}." if same or last <= ends else "this run is longer."
    if not same_target:
        text += f" Its target was another one ({reference.target}), so this is a rough comparison."
    # other recipes learn at another pace: only where next to nothing was learned that matters
    is_late = behind > BEHIND and (same or mean >= LEARNED - BEHIND)
    return [Finding("look" if is_late else None, text)]


def _at(known: Curve, first: int, last: int) -> float:
    """A reference's mean over a stretch of steps, or where it has none, the nearest value."""
    inside = known.within(first, last).values
    if len(inside):
        return float(inside.mean())
    return float(known.values[abs(known.steps - last).argmin()])


def _early(run: RunFacts, curve: Curve) -> Finding:
    warmup, planned = number_of(run.config.get("schedule.warmup")), run.state.planned_steps
    rates = run.curves.get("optimizer/lr")
    if planned and warmup == warmup:
        warming = run.state.step <= warmup * planned
    else:  # of a run of so many epochs the learning rate tells it
        before = rates.values[:-1] if rates is not None else ()
        warming = rates is not None and len(before) > 0 and rates.last > max(before)
    if warming:
        return Finding("early", f"The learning rate is still warming up (step {run.state.step:,}).")
    if len(curve.steps) < 5:
        return Finding("early", f"Only {len(curve.steps)} lines are logged.")
    return Finding(None, "")


def _target(run: RunFacts) -> Finding:
    target = target_of(run.config)
    if target is None:
        return Finding(None, "")
    return Finding(
        None,
        f"The target is {target}: losses of other targets or floors cannot be compared with this "
        "one, their ratios to the trivial predictor can.",
    )


def _rising(run: RunFacts) -> list[Finding]:
    """Means of tenths of the run; what their own noise could do is no rise."""
    curve = loss_ratio(run)
    if curve is None or len(curve.steps) < 40:
        return []
    parts = np.array_split(curve.values, 10)
    means = [float(part.mean()) for part in parts]
    lowest, now = min(means), means[-1]
    noise = float(np.mean([part.std() / len(part) ** 0.5 for part in parts]))
    if now - lowest <= max((RISEN - 1) * lowest, CERTAIN * noise):
        return []
    step = int(np.array_split(curve.steps, 10)[means.index(lowest)][0])
    risen = f"{percent(now / lowest - 1)} since about step {step:,}"
    return [Finding("look", f"The ratio to the trivial predictor has risen by {risen}.")]


def _views(run: RunFacts) -> list[Finding]:
    inside, outside = (run.curves.get(f"loss/{name}_view") for name in ("inside", "outside"))
    if inside is None or outside is None:
        return []
    first, second = (float(each.recent.values.mean()) for each in (inside, outside))
    text = f"Inside the field of view the loss is {first:.3g}, outside {second:.3g}"
    if second < first:
        text += ": the dark border is the easier part, and makes the whole look better"
    return [Finding(None, f"{text}.")]


def _skipped(run: RunFacts) -> list[Finding]:
    skipped = run.curves.get("optimizer/skipped")
    if skipped is None or not skipped.last:
        return []
    share = skipped.last / max(run.state.step, 1)
    return [
        Finding(
            "look" if share > MANY_SKIPPED else None,
            f"In {skipped.last:.0f} steps loss or gradient was not finite; they updated nothing.",
        )
    ]


def _features(run: RunFacts) -> list[Finding]:
    spread, rank = (run.curves.get(f"features/{name}") for name in ("std", "rankme"))
    if spread is None or rank is None:
        return []
    text = f"The features' spread is {spread.last:.2g} of 1, their effective rank {rank.last:.3g}"
    if spread.last < COLLAPSED:
        return [Finding("look", f"{text}: they are nearly all the same, which is a collapse.")]
    if rank.last < FEW_DIRECTIONS:
        text += (
            ": they have one direction in common, as those of young masked autoencoders do; the "
            "probe tells what their differences are worth"
        )
    return [Finding(None, f"{text}.")]


def _probe(run: RunFacts) -> list[Finding]:
    knn = run.curves.get("probe/knn")
    if knn is None:
        return []
    names = {"chance": "chance", "commonest": "the commonest class"}
    beside = {text: run.curves.get(f"probe/{name}") for name, text in names.items()}
    told = [f"{text} {curve.last:.3f}" for text, curve in beside.items() if curve is not None]
    best = max((curve.last for curve in beside.values() if curve is not None), default=0.0)
    more = "no more than is had without looking" if knn.last <= best else "the features carry some"
    if knn.steps[0] == 1 < len(knn.steps):
        told.append(f"before training {knn.values[0]:.3f}")
        if best < knn.last <= knn.values[0]:
            more += ", and no more than those of the untrained encoder"
    beside_it = f" ({', '.join(told)}): {more}" if told else ""
    return [Finding(None, f"The nearest-neighbour probe is at {knn.last:.3f}{beside_it}.")]


def _waiting(run: RunFacts) -> list[Finding]:
    waiting = run.curves.get("speed/data_wait")
    share = float(waiting.recent.values.mean()) if waiting is not None else 0.0
    if share <= MUCH_WAITING:
        return []
    cure = "more data.workers, data.clips_per_read, or python -m video prepare"
    text = f"{percent(share)} of the time goes into waiting for data: {cure}. It does not change "
    return [Finding(None, f"{text}the loss, only the time.")]
