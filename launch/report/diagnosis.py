"""Is this loss normal? Checks of a pretraining's curves, in words."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from launch.report.curves import Curve, ratio
from launch.report.formatting import format_count, format_difference, format_percent
from launch.report.headline import HIGH_DATA_WAIT
from launch.report.reference_runs import ReferenceRun, nearest_reference, target_of
from launch.report.run_data import RunData
from launch.report.start_history import recipe_name
from launch.report.tolerant_read import to_number

Level = Literal["good", "early", "suspect", "bad", "unknown"]

LEARNED_RATIO = 0.98  # of loss to constant baseline, below which something was learned
LAG = 0.05  # of this ratio above a reference, from which a run is suspect
RISE = 1.05  # factor above the lowest tenth of the curve
STANDARD_ERRORS = 3.0  # by which a rise must exceed noise
HIGH_SKIPPED = 0.01  # share of all steps
COLLAPSED_STD = 0.01  # of unit features, where 1 is an even spread
LOW_RANK = 3.0  # effective rank of features that mostly share their mean
MIN_POINTS, MIN_POINTS_OF_RISE = 5, 40

HEADLINES: dict[Level, str] = {
    "good": "Yes.",
    "early": "It is too early to tell.",
    "suspect": "Possibly not.",
    "bad": "No.",
    "unknown": "This is unknown.",
}


class Diagnosis(NamedTuple):
    """The answer for one pretraining."""

    level: Level
    headline: str
    sentences: tuple[str, ...]
    remarks: tuple[str, ...]  # other observations


class Finding(NamedTuple):
    """The result of a check; level None does not change the answer."""

    level: Level | None
    text: str


def loss_ratio(run: RunData) -> Curve | None:
    """The loss divided by the constant baseline, which is comparable between runs."""
    loss, baseline = (run.curves.get(f"loss/{name}") for name in ("train", "constant_baseline"))
    if loss is None or baseline is None:
        return None
    quotient = ratio(loss, baseline)
    return quotient if len(quotient.steps) else None


def diagnose(run: RunData, references: Sequence[ReferenceRun]) -> Diagnosis:
    """Of a pretraining; the worst finding decides."""
    curve = loss_ratio(run)
    if curve is None:
        return _without_ratio(run)
    reference = nearest_reference(run, references)
    findings = [_loss(run, curve), *_compare(run, curve, reference), _early(run, curve)]
    checks = (_rise, _field_of_view, _skipped, _features, _probe, _data_wait)
    remarks = [finding for check in checks for finding in check(run)]
    levels = {finding.level for finding in (*findings, *remarks)}
    order: tuple[Level, ...] = ("bad", "early", "suspect")
    if "early" in levels:  # during warmup nothing need be learned yet
        levels -= {"bad"}
    level: Level = next((each for each in order if each in levels), "good")
    sentences = tuple(finding.text for finding in (*findings, _target(run)) if finding.text)
    return Diagnosis(level, HEADLINES[level], sentences, tuple(each.text for each in remarks))


def _without_ratio(run: RunData) -> Diagnosis:
    baseline = run.curves.get("loss/constant_baseline")
    level: Level = "bad" if baseline is not None and not baseline.values.any() else "unknown"
    text = "The log does not have a loss and its constant baseline yet."
    if level == "bad":
        text = "The constant baseline is 0: the clips are of one colour. There is nothing to learn."
    return Diagnosis(level, HEADLINES[level], (text,), ())


def _loss(run: RunData, curve: Curve) -> Finding:
    recent = curve.recent
    first, last = int(recent.steps[0]), int(recent.steps[-1])
    loss, baseline = (
        float(run.curves[f"loss/{name}"].within(first, last).values.mean())
        for name in ("train", "constant_baseline")
    )
    has_learned = loss / baseline < LEARNED_RATIO
    text = (
        f"The mean loss of steps {first:,} to {last:,} is {loss:.3g}, "
        f"{format_difference(loss / baseline)} the constant baseline of {baseline:.3g}: the loss "
        "of predicting the best constant per channel of each clip."
    )
    if not has_learned:
        text += " A model that has learned nothing reaches this loss too."
    return Finding("good" if has_learned else "bad", text)


def _compare(run: RunData, curve: Curve, reference: ReferenceRun | None) -> list[Finding]:
    if reference is None:
        return []
    recent, known = curve.recent, reference.ratio
    first, last, end = int(recent.steps[0]), int(recent.steps[-1]), int(known.steps[-1])
    mean = float(recent.values.mean())
    has_same_target = target_of(run.config) == reference.target
    is_same = has_same_target and recipe_name(run.starts) == reference.recipe
    if last > end:
        known_mean, when = float(known.recent.values.mean()), f"at its last step, {end:,}"
    else:
        known_mean, when = _mean_within(known, first, last), "in the same steps"
    lag = mean - known_mean
    rank = "on a par" if abs(lag) <= LAG / 2 else "behind" if lag > 0 else "ahead"
    text = f"Reference: {reference} was {format_difference(known_mean)} its baseline {when}; "
    text += f"this run is {rank}." if is_same or last <= end else "this run is longer."
    if not has_same_target:
        text += f" The reference has another target ({reference.target}): compare with caution."
    # other recipes learn at another pace, so a lag matters only if almost nothing was learned
    is_suspect = lag > LAG and (is_same or mean >= LEARNED_RATIO - LAG)
    return [Finding("suspect" if is_suspect else None, text)]


def _mean_within(known: Curve, first: int, last: int) -> float:
    """The mean from step `first` to `last`, or the nearest value if there is none."""
    inside = known.within(first, last).values
    if len(inside):
        return float(inside.mean())
    return float(known.values[abs(known.steps - last).argmin()])


def _early(run: RunData, curve: Curve) -> Finding:
    warmup, planned = to_number(run.config.get("schedule.warmup")), run.status.planned_steps
    rates = run.curves.get("optimizer/lr")
    if planned and warmup == warmup:
        is_warmup = run.status.step <= warmup * planned
    else:  # the recipe has epochs: the learning rate still rises
        before = rates.values[:-1] if rates is not None else ()
        is_warmup = rates is not None and len(before) > 0 and rates.last > max(before)
    if is_warmup:
        return Finding(
            "early", f"The learning rate is still warming up (step {run.status.step:,})."
        )
    if len(curve.steps) < MIN_POINTS:
        return Finding("early", f"Only {format_count(len(curve.steps), 'value')} logged so far.")
    return Finding(None, "")


def _target(run: RunData) -> Finding:
    target = target_of(run.config)
    if target is None:
        return Finding(None, "")
    return Finding(
        None,
        f"The target is {target}. Losses with other targets or variance floors are not comparable "
        "with this one; their ratios to the constant baseline are.",
    )


def _rise(run: RunData) -> list[Finding]:
    """Compares the means of tenths of the curve, with a margin for their noise."""
    curve = loss_ratio(run)
    if curve is None or len(curve.steps) < MIN_POINTS_OF_RISE:
        return []
    tenths = np.array_split(curve.values, 10)
    means = [float(tenth.mean()) for tenth in tenths]
    lowest, now = min(means), means[-1]
    noise = float(np.mean([tenth.std() / len(tenth) ** 0.5 for tenth in tenths]))
    if now - lowest <= max((RISE - 1) * lowest, STANDARD_ERRORS * noise):
        return []
    step = int(np.array_split(curve.steps, 10)[means.index(lowest)][0])
    rise = f"{format_percent(now / lowest - 1)} since about step {step:,}"
    return [Finding("suspect", f"The ratio to the constant baseline has risen by {rise}.")]


def _field_of_view(run: RunData) -> list[Finding]:
    inside, outside = (run.curves.get(f"loss/{name}_fov") for name in ("inside", "outside"))
    if inside is None or outside is None:
        return []
    first, second = (float(each.recent.values.mean()) for each in (inside, outside))
    text = f"The loss is {first:.3g} inside the field of view and {second:.3g} outside"
    if second < first:
        text += ": the dark border is easier to predict and lowers the mean"
    return [Finding(None, f"{text}.")]


def _skipped(run: RunData) -> list[Finding]:
    skipped = run.curves.get("optimizer/skipped")
    if skipped is None or not skipped.last:
        return []
    level: Level | None = "suspect" if skipped.last > HIGH_SKIPPED * run.status.step else None
    steps = format_count(int(skipped.last), "step")
    return [Finding(level, f"{steps} updated nothing: loss or gradient was not finite.")]


def _features(run: RunData) -> list[Finding]:
    std, rank = (run.curves.get(f"features/{name}") for name in ("std", "rankme"))
    if std is None or rank is None:
        return []
    text = (
        f"The features have effective rank {rank.last:.3g} and standard deviation {std.last:.2g} "
        "(1: evenly spread)"
    )
    if std.last < COLLAPSED_STD:
        return [Finding("suspect", f"{text}. They are almost equal: a collapse.")]
    if rank.last < LOW_RANK:
        text += (
            ". They share one main direction, as usual early in masked autoencoder training; the "
            "k-NN probe shows whether their differences are useful"
        )
    return [Finding(None, f"{text}.")]


def _probe(run: RunData) -> list[Finding]:
    knn = run.curves.get("probe/knn")
    if knn is None:
        return []
    names = {"chance": "chance", "majority": "majority class"}
    baselines = {text: run.curves.get(f"probe/{name}") for name, text in names.items()}
    known = {text: curve.last for text, curve in baselines.items() if curve is not None}
    best = max(known.values(), default=0.0)
    if knn.steps[0] == 1 < len(knn.steps):
        known["before training"] = float(knn.values[0])
    text = f"The k-NN probe has accuracy {knn.last:.3f}"
    if known:
        values = ", ".join(f"{name} {value:.3f}" for name, value in known.items())
        text += f" ({values}): the features are "
        untrained = known.get("before training", 0.0)
        text += "not useful yet" if knn.last <= best else "useful"
        if best < knn.last <= untrained:
            text += ", but not more than those of the untrained encoder"
    return [Finding(None, f"{text}.")]


def _data_wait(run: RunData) -> list[Finding]:
    waiting = run.curves.get("speed/data_wait")
    share = float(waiting.recent.values.mean()) if waiting is not None else 0.0
    if share <= HIGH_DATA_WAIT:
        return []
    cure = "Use more data.workers, more data.clips_per_read, or python -m video prepare."
    text = f"The run waits for data {format_percent(share)} of the time. {cure} This affects "
    return [Finding(None, f"{text}the speed, not the loss.")]
