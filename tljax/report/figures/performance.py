"""Figures of how well the networks do: AUC, ROC, calibration, learning curves, and what they cost."""

from typing import Any

import numpy as np
from jaxtyping import Float

from tljax.report import published
from tljax.report.figures import COLUMN, FAINT, INK, Figure, Gallery, looks, new
from tljax.report.gather import Study
from tljax.report.names import init_name
from tljax.report.task import Axis, Task
from tljax.report.trials import Condition, Trial

GRID = np.linspace(0, 1, 101)


def forest(gallery: Gallery, task: Task) -> Figure:
    """Mean AUC with its interval, one line an initialisation, folds as dots, the published mean as a hollow diamond."""
    arms = [arm for arm in task.arms if arm.condition == task.condition]
    look = looks([arm.init for arm in arms])
    figure, axes = new(3.7, 0.5 + 0.34 * len(arms))
    compared = False
    for row, arm in enumerate(arms):
        mean, style = task.mean(arm), look[arm.init]
        values = list(task.aucs(arm).values())
        axes.plot(values, [row + 0.24] * len(values), ".", color=style.colour, alpha=0.55, markersize=4, clip_on=False)
        if np.isfinite(mean.low):
            axes.plot([mean.low, mean.high], [row, row], "-", color=style.colour, linewidth=2.2, solid_capstyle="butt")
        axes.plot(mean.value, row, markersize=7.5, zorder=4, **style.mark)
        if paper := published.auc(task.name, arm.init, arm.condition.freeze):
            compared = True
            axes.plot(
                paper.mean, row - 0.26, "d", color="white", markeredgecolor=INK, markersize=5, markeredgewidth=0.9
            )
    axes.set_yticks(range(len(arms)), [arm.name for arm in arms], fontsize=8.5)
    axes.set_ylim(len(arms) - 0.5, -0.55)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("test AUC")
    low, high = axes.get_xlim()
    axes.axvline(0.5, color=FAINT, linewidth=0.9, dashes=(1, 1.5), zorder=0)
    axes.set_xlim(low, high)
    caption = (
        f"Mean test AUC on {task.name} ({task.condition}; {task.size}). Bar: 95 % interval of the mean by the "
        "corrected resampled t-test; dots: folds."
    )
    caption += " Dotted: chance." if low < 0.5 else ""
    caption += " Hollow diamond: the published mean." if compared else ""
    return gallery.keep(figure, f"{task.name}-auc-intervals", f"Test AUC: {task.name}", caption)


def auc_boxes(gallery: Gallery, study: Study) -> Figure:
    """Test AUC over folds and seeds as boxes, by task; initialisations have one look and one order in every task."""
    inits = sorted({arm.init for task in study.tasks for arm in task.arms})
    look = looks(inits)
    figure, axes = new(max(COLUMN, 0.9 + sum(0.17 * len(task.arms) + 0.25 for task in study.tasks)), 2.9)
    position, ticks = 0.0, []
    for task in study.tasks:
        start = position
        for arm in sorted(task.arms, key=lambda arm: (arm.condition != task.condition, arm.condition, arm.init)):
            values, style = list(task.aucs(arm).values()), look[arm.init]
            frozen = arm.condition.freeze
            face = "white" if frozen else style.colour
            hatch = "////" if _differs(arm.condition, task.condition) else None
            box = {"facecolor": face, "alpha": 1 if frozen else 0.3, "edgecolor": style.colour, "hatch": hatch}
            line = {"color": style.colour, "linewidth": 1}
            axes.boxplot(
                [values], positions=[position], widths=0.62, whis=(0, 100), manage_ticks=False, patch_artist=True,
                boxprops=box, whiskerprops=line, capprops=line, medianprops={**line, "linewidth": 1.8},
            )  # fmt: skip
            axes.plot(
                np.full(len(values), position), values, style.marker, color=style.colour, markersize=3.2,
                markerfacecolor=face if frozen else style.colour, markeredgewidth=0.7,
            )  # fmt: skip
            position += 0.8
        ticks.append(((start + position - 0.8) / 2, task.name))
        position += 0.7
    axes.set_xticks([x for x, _ in ticks], [name for _, name in ticks])
    axes.set_xlim(-0.9, max(position - 0.6, 1.7))
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="x", visible=False)
    axes.set_ylabel("test AUC")
    axes.axhline(0.5, color=FAINT, linewidth=0.9, dashes=(1, 1.5), zorder=0)
    for init in inits:
        axes.plot([], [], look[init].marker, color=look[init].colour, label=init_name(init))
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=min(len(inits), 4), handletextpad=0.2)
    caption = (
        "Test AUC of every fold by task and initialisation: median, quartiles and range, with the folds as points. "
        "Dotted: chance."
    )
    if any(arm.condition.freeze for task in study.tasks for arm in task.arms):
        caption += " Open boxes: the head was first trained alone on the frozen backbone."
    if any(_differs(arm.condition, task.condition) for task in study.tasks for arm in task.arms):
        caption += " Hatched boxes: another preprocessing or recipe than the verdict's."
    return gallery.keep(figure, "auc-by-task", "AUC by task", caption)


def _differs(condition: Condition, verdicts: Condition) -> bool:
    return (condition.preprocessing, condition.tag) != (verdicts.preprocessing, verdicts.tag)


def roc(gallery: Gallery, task: Task, condition: Condition) -> Figure:
    """Mean ROC curve over folds with a band of one standard deviation."""
    figure, axes = new(height=3.1)
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, dashes=(1, 2))
    for arm, style in _arms_of(task, condition):
        curves = [_roc_curve(trial) for trial in task.of_arm(arm) if np.isfinite(trial.auc.value)]
        if not curves:
            continue
        mean, spread = np.mean(curves, axis=0), np.std(curves, axis=0)
        axes.plot(GRID, mean, color=style.colour, linestyle=style.dash, label=f"{arm.name} {task.mean(arm).value:.3f}")
        low, high = np.clip(mean - spread, 0, 1), np.clip(mean + spread, 0, 1)
        axes.fill_between(GRID, low, high, color=style.colour, alpha=0.13, linewidth=0)
    axes.set(xlabel="1 − specificity", ylabel="sensitivity", xlim=(0, 1), ylim=(0, 1.01), aspect="equal")
    axes.legend(loc="lower right", title="mean AUC", title_fontsize=7.5, alignment="left")
    kind = "" if len(task.classes) == 2 else ", one class against the rest, weighted by prevalence"
    caption = f"ROC on {task.name} ({condition}): mean over folds{kind}; band: one standard deviation over folds."
    return gallery.keep(figure, f"{task.name}-{condition}-roc", f"ROC: {task.name}, {condition}", caption)


def _roc_curve(trial: Trial) -> Float[np.ndarray, " g"]:
    from sklearn.metrics import roc_curve

    labels, probabilities = trial.test.labels, trial.test.probabilities
    classes = [1] if probabilities.shape[1] == 2 else np.unique(labels)
    curves = []
    for c in classes:
        false, true, _ = roc_curve(labels == c, probabilities[:, c])
        curves.append(np.interp(GRID, false, true))
        curves[-1][0] = 0
    return np.average(curves, axis=0, weights=[np.sum(labels == c) for c in classes])


def calibration(gallery: Gallery, task: Task, condition: Condition) -> Figure:
    """Accuracy against confidence of the predicted class, folds pooled, in ten bins."""
    from statsmodels.stats.proportion import proportion_confint

    figure, axes = new(height=3.1)
    lowest = 1 / len(task.classes)
    axes.plot([lowest, 1], [lowest, 1], color=FAINT, linewidth=0.8, dashes=(1, 2))
    for number, (arm, style) in enumerate(_arms_of(task, condition)):
        trials = task.of_arm(arm)
        probabilities = np.concatenate([trial.test.probabilities for trial in trials])
        right = probabilities.argmax(axis=1) == np.concatenate([trial.test.labels for trial in trials])
        confidence = probabilities.max(axis=1)
        bins = np.minimum((confidence * 10).astype(int), 9)
        filled = np.unique(bins)
        x = np.array([confidence[bins == b].mean() for b in filled]) + 0.004 * number
        y = np.array([right[bins == b].mean() for b in filled])
        ends = np.array(
            [proportion_confint(right[bins == b].sum(), (bins == b).sum(), method="wilson") for b in filled]
        ).T
        error = np.mean([trial.scores["calibration_error"] for trial in trials])
        axes.errorbar(
            x, y, np.clip([y - ends[0], ends[1] - y], 0, 1), linestyle=style.dash, elinewidth=0.8, linewidth=1.2,
            label=f"{arm.name} {error:.3f}", **style.mark,
        )  # fmt: skip
    axes.set(xlabel="confidence", ylabel="share right", xlim=(lowest - 0.03, 1.03), ylim=(-0.02, 1.03))
    axes.legend(
        loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, title="calibration error", title_fontsize=7.5
    )  # above, where no bar is
    caption = (
        f"Calibration on {task.name} ({condition}): share of right predictions by confidence, all folds' test images; "
        "bars: 95 % intervals (Wilson). On the dotted line, confidence is what it claims to be."
    )
    return gallery.keep(figure, f"{task.name}-{condition}-calibration", f"{task.name}, {condition}", caption)


def learning_curves(gallery: Gallery, task: Task, condition: Condition) -> list[Figure]:
    """Loss and validation AUC over epochs: every fold thin, their mean thick while all folds last."""
    drawn = []
    for quantity, label, title in (
        ("val_loss", "validation loss", "Loss"),
        ("val_auc", "validation AUC", "Validation AUC"),
    ):
        figure, axes = new()
        for arm, style in _arms_of(task, condition):
            curves = [[_number(row.get(quantity)) for row in _last_phase(trial)] for trial in task.of_arm(arm)]
            curves = [curve for curve in curves if np.isfinite(curve).any()]
            for curve in curves:
                axes.plot(range(1, len(curve) + 1), curve, color=style.colour, alpha=0.25, linewidth=0.8)
            shortest = min(map(len, curves), default=0)
            if shortest:
                mean = np.mean([curve[:shortest] for curve in curves], axis=0)
                axes.plot(range(1, shortest + 1), mean, color=style.colour, linestyle=style.dash, label=arm.name)
        axes.set(xlabel="epoch", ylabel=label)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
        caption = (
            f"{title} on {task.name} ({condition}) over epochs. Thin: each fold; thick: their mean, as far as every "
            "fold was trained."
        )
        if quantity == "val_auc":
            axes.axhline(0.5, color=FAINT, linewidth=0.9, dashes=(1, 1.5), zorder=0)
            caption += " Dotted: chance."
        drawn.append(
            gallery.keep(figure, f"{task.name}-{condition}-{quantity}", f"{title}: {task.name}, {condition}", caption)
        )
    return drawn


def agreements(gallery: Gallery, study: Study) -> Figure | None:
    """Prediction similarity beside what independent errors would give; None where nothing can be paired."""
    rows = [
        (f"{task.name}: {init_name(first)} – {init_name(second)}", found)
        for task in study.tasks
        for first, second, found in task.agreements(task.condition)
    ]
    if not rows:
        return None
    figure, axes = new(5.4, 0.75 + 0.3 * len(rows))
    marks = (
        ("observed", "observed", {"marker": "o", "color": INK, "markersize": 6}),
        ("independent", "independent errors", {"marker": "|", "color": "#0072B2", "markersize": 13, "mew": 2.2}),
        ("authors_independent", "the authors' baseline", {"marker": "x", "color": "#D55E00", "markersize": 5}),
    )
    for row, (_, found) in enumerate(rows):
        axes.plot([found.low, found.high], [row, row], color=INK, linewidth=1.6, solid_capstyle="butt")
    for key, label, look in marks:
        axes.plot([getattr(found, key) for _, found in rows], range(len(rows)), linestyle="", label=label, **look)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel("share of test images on which both are right or both wrong")
    axes.locator_params(axis="x", nbins=6)
    axes.legend(loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=3)
    caption = (
        "Prediction similarity with its 95 % interval, beside what it would be, did the networks err independently, "
        "and beside the published code's baseline, which squares the accuracy of the first. Of "
        "several seeds, the lowest."
    )
    return gallery.keep(figure, "prediction-similarity", "Prediction similarity", caption)


def contrast(gallery: Gallery, task: Task, axis: Axis, means: tuple[str, str]) -> Figure | None:
    """The same initialisation in both ways of an axis, which `means` explains; None where only one was trained."""
    contrasts = task.contrasts(axis)
    if not contrasts:
        return None
    look = looks([each.first.init for each in contrasts])
    figure, axes = new(4.6, 0.8 + 0.42 * len(contrasts))
    for row, each in enumerate(contrasts):
        style = look[each.first.init]
        places = row - 0.13, row + 0.13  # side by side, so that neither hides the other
        axes.plot(each.means, places, color=style.colour, linewidth=1.2)
        for mean, place, face in zip(each.means, places, (style.colour, "white"), strict=True):
            axes.plot(mean, place, style.marker, color=style.colour, markersize=7, markerfacecolor=face)
    conditions = [each.first.condition.told(axis.setting) for each in contrasts]
    several = len(set(conditions)) > 1
    names = [
        f"{each.first.name}, {condition}" if several and condition else each.first.name
        for each, condition in zip(contrasts, conditions, strict=True)
    ]
    axes.set_yticks(range(len(contrasts)), names)
    axes.set_ylim(len(contrasts) - 0.5, -0.5)
    axes.set_xlabel("mean test AUC")
    caption = (
        f"{axis.ways[0].capitalize()} against {axis.ways[1]} on {task.name}, means over the folds that both have: "
        f"filled, {means[0]}; open, {means[1]}. Initialisations: {'; '.join(names)}."
    )
    title = f"{axis.ways[0].capitalize()} against {axis.ways[1]}: {task.name}"
    return gallery.keep(figure, f"{task.name}-{axis.setting}", title, caption)


def _arms_of(task: Task, condition: Condition):
    arms = [arm for arm in task.arms if arm.condition == condition]
    look = looks([arm.init for arm in arms])
    return [(arm, look[arm.init]) for arm in arms]


def _last_phase(trial: Trial) -> list[dict[str, Any]]:
    """The epochs that trained what was to be trained in the end, after the head alone where that came first."""
    rows = trial.run.metrics
    return [row for row in rows if row.get("phase") == rows[-1].get("phase")]


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")
