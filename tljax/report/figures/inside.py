"""Figures of what fine-tuning changes inside a network: representations, filters, and how that goes with the gain."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from tljax import statistics
from tljax.report import published
from tljax.report.figures import COLUMN, FAINT, INK, Figure, Gallery, looks, new
from tljax.report.gather import Study, Task
from tljax.report.models import Model, read_model
from tljax.report.names import init_name, listed, plain

LAYERS = published.LAYERS
_PREFERRED = ("cca", "mean_cca", "svcca", "pwcca", "debiased_cka", "linear_cka", "cka")

Rows = list[dict[str, str]]
Pair = tuple[Model, Model]


def _value(row: Mapping[str, str], key: str) -> float:
    try:
        return float(row.get(key) or "nan")
    except ValueError:
        return float("nan")


def rows_of(study: Study, task: str) -> Rows:
    """The rows of one task, of one protocol (the paper's where it was run) and one measure (CCA where there is one)."""
    rows = [row for row in study.tables.get("representations", []) if row.get("task") == task]
    for key, preference in (("protocol", ("paper", "full")), ("measure", _PREFERRED)):
        present = dict.fromkeys(row.get(key, "") for row in rows)
        chosen = next((value for value in preference if value in present), next(iter(present), ""))
        rows = [row for row in rows if row.get(key, "") == chosen]
    return rows


def measure_name(rows: Rows) -> str:
    """The measure of these rows, for an axis."""
    name = rows[0].get("measure", "") if rows else ""
    return {"cca": "mean CCA", "mean_cca": "mean CCA"}.get(name, name.replace("_", " "))


def by_pair(rows: Rows, task: str) -> dict[Pair, Rows]:
    """Rows by the two models compared, the untuned one second."""
    pairs: dict[Pair, Rows] = defaultdict(list)
    for row in rows:
        first, second = read_model(row.get("model1", ""), task), read_model(row.get("model2", ""), task)
        pairs[(second, first) if second.tuned and not first.tuned else (first, second)].append(row)
    return dict(pairs)


def layer_curves(gallery: Gallery, study: Study, task: Task) -> list[Figure]:
    """The paper's two figures: each network before and after fine-tuning; and different networks with each other."""
    rows = [row for row in rows_of(study, task.name) if row.get("layer1") == row.get("layer2")]
    pairs = by_pair(rows, task.name)
    pairs = {pair: found for pair, found in pairs.items() if not (pair[0].freeze or pair[1].freeze)}
    own = {
        pair: found
        for pair, found in pairs.items()
        if pair[0].tuned and not pair[1].tuned and pair[0].init == pair[1].init
    }
    others = {pair: found for pair, found in pairs.items() if pair not in own}
    drawn = []
    for part, title, stem in ((own, "Before and after fine-tuning", "tuning"), (others, "Between networks", "between")):
        if part:
            names = [pair[0].init for pair in part] if part is own else [f"{a} – {b}" for a, b in part]
            drawn.append(_curves(gallery, task, part, looks(names), names, title, stem))
    return drawn


def _curves(gallery: Gallery, task: Task, pairs, look, names: Sequence[str], title: str, stem: str) -> Figure:
    figure, axes = new(height=3.0 + 0.16 * max(len(pairs) - 3, 0))
    layers = [layer for layer in LAYERS if any(row["layer1"] == layer for rows in pairs.values() for row in rows)]
    chance, compared, folds = defaultdict(list), False, set()
    for (pair, rows), name in zip(pairs.items(), names, strict=True):
        style = look[name]
        values = [[_value(row, "value") for row in rows if row["layer1"] == layer] for layer in layers]
        mean = np.array([np.mean(v) if v else np.nan for v in values])
        folds |= {len(v) for v in values}
        error = np.transpose([_spread([row for row in rows if row["layer1"] == layer]) for layer in layers])
        label = f"{pair[0]} – {pair[1]}"
        axes.errorbar(
            range(len(layers)), mean, error, fmt=style.marker, linestyle=style.dash, color=style.colour, elinewidth=0.9,
            capsize=2, label=label,
        )  # fmt: skip
        for layer in layers:
            chance[layer] += [_value(row, "chance") for row in rows if row["layer1"] == layer]
        if paper := _published(task.name, pair):
            compared = True
            axes.plot(
                np.arange(len(layers)) + 0.13, [paper[layer].mean for layer in layers], "d", color="white",
                markeredgecolor=style.colour, markersize=4.5,
            )  # fmt: skip
    levels = np.array([np.nanmean(chance[layer]) if np.isfinite(chance[layer]).any() else np.nan for layer in layers])
    if np.isfinite(levels).any():
        axes.plot(range(len(layers)), levels, color=INK, linewidth=0.9, dashes=(1, 1.5), label="chance")
    axes.set_xticks(range(len(layers)), layers)
    axes.set_ylim(0, 1.02)
    axes.set_ylabel(measure_name(next(iter(pairs.values()))))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), fontsize=7)
    spread = "standard deviation over folds" if max(folds) > 1 else "95 % interval"
    caption = f"{title}: similarity of representations by layer on {task.name}; bars: {spread}."
    caption += " Dotted: what unrelated representations would give." if np.isfinite(levels).any() else ""
    caption += " Hollow diamonds: published means." if compared else ""
    return gallery.keep(figure, f"{task.name}-representations-{stem}", title, caption)


def _spread(rows: Rows) -> tuple[float, float]:
    """How far the bar of a layer reaches down and up: the standard deviation over folds, or the interval of the one."""
    if len(rows) != 1:
        reach = float(np.std([_value(row, "value") for row in rows], ddof=1)) if rows else 0.0
        return reach, reach
    value, low, high = (_value(rows[0], key) for key in ("value", "low", "high"))
    return tuple(float(np.nan_to_num(max(reach, 0.0))) for reach in (value - low, high - value))


def _published(task: str, pair: Pair) -> Mapping[str, published.Published]:
    names = [f"{task}-{model.published_name}" if model.tuned else model.published_name for model in pair]
    return {} if any(model.tag for model in pair) else published.cca(task, *names)


def heat_maps(gallery: Gallery, study: Study, task: Task) -> list[Figure]:
    """Every layer of one network against every layer of another, where that was measured."""
    drawn = []
    rows = rows_of(study, task.name)
    for (first, second), found in by_pair(rows, task.name).items():
        sums: dict[tuple[str, str], list[float]] = defaultdict(list)
        for row in found:
            flipped = read_model(row["model1"], task.name) != first
            layers = (row.get("layer1", ""), row.get("layer2", ""))
            sums[layers[::-1] if flipped else layers].append(_value(row, "value"))
        rows1, rows2 = (list(dict.fromkeys(key[side] for key in sums)) for side in (0, 1))
        if len(sums) <= max(len(rows1), len(rows2)):
            continue  # the diagonal alone is a curve, drawn elsewhere
        table = np.array([[np.mean(sums.get((a, b), [np.nan])) for b in rows2] for a in rows1])
        figure, axes = new(height=3.0)
        axes.grid(visible=False)
        mesh = axes.pcolormesh(np.ma.masked_invalid(table), cmap="cividis", vmin=0, vmax=1)
        for side, names in (("x", rows2), ("y", rows1)):
            getattr(axes, f"set_{side}ticks")(
                np.arange(len(names)) + 0.5, names, **({"rotation": 90} if side == "x" else {})
            )
        if max(len(rows1), len(rows2)) > 8:
            axes.tick_params(labelsize=5.5)
        axes.set(xlabel=str(second), ylabel=str(first), aspect="equal")
        figure.colorbar(mesh, ax=axes, shrink=0.8).outline.set_visible(False)
        caption = (
            f"{measure_name(found)} of each layer of {first} with each of {second} on {task.name}, mean over folds."
        )
        drawn.append(gallery.keep(figure, f"{task.name}-layers-{first}-{second}", f"{first} – {second}", caption))
    return drawn


def similarity_and_gain(gallery: Gallery, study: Study) -> list[Figure]:
    """Similarity before and after fine-tuning against the relative AUC gain over random, a panel a layer."""
    points: dict[str, dict[str, list[tuple[str, float, float]]]] = defaultdict(lambda: defaultdict(list))
    measure = ""
    for task in study.tasks:
        gains = _gains(task)
        rows = [row for row in rows_of(study, task.name) if row.get("layer1") == row.get("layer2")]
        for (first, second), found in by_pair(rows, task.name).items():
            if not first.tuned or first.freeze or second.tuned or first.init != second.init:
                continue
            for row in found:
                gain = gains.get((first.init, row.get("fold", "").removeprefix("fold")))
                if gain is not None:
                    measure = measure_name(found)
                    points[first.init][row["layer1"]].append((task.name, _value(row, "value"), gain))
    return [_gain_panels(gallery, init, layers, measure) for init, layers in points.items() if init != "random"]


def _gains(task: Task) -> dict[tuple[str, str], float]:
    """Relative gain over random initialisation by initialisation and fold, under the verdict's condition."""
    aucs = {arm.init: task.aucs(arm) for arm in task.arms if arm.condition == task.condition}
    base = aucs.get("random", {})
    return {
        (init, str(fold)): (value - base[fold]) / base[fold]
        for init, by_fold in aucs.items()
        for fold, value in by_fold.items()
        if fold in base and init != "random"
    }


def _gain_panels(
    gallery: Gallery, init: str, layers: Mapping[str, list[tuple[str, float, float]]], measure: str
) -> Figure:
    names = [layer for layer in LAYERS if layer in layers]
    tasks = sorted({task for found in layers.values() for task, _, _ in found})
    look = looks(tasks)
    figure, panels = new(1.75 * max(len(names), 2), 2.5, columns=len(names), sharey=True, squeeze=False)
    sentences = []
    for axes, layer in zip(panels[0], names, strict=True):
        of_task, x, y = zip(*layers[layer], strict=True)
        for task in tasks:
            at = [number for number, name in enumerate(of_task) if name == task]
            style = look[task]
            axes.plot([x[i] for i in at], [y[i] for i in at], style.marker, color=style.colour, label=task, alpha=0.85)
        r = statistics.correlation(np.array(x), np.array(y), of_task if len(tasks) > 1 else None)
        axes.set_title(f"{layer}  r = {plain(r.value)}")
        axes.set_xlabel(measure)
        axes.axhline(0, color=FAINT, linewidth=0.7)
        interval = f"{plain(r.low)} to {plain(r.high)}" if np.isfinite(r.low) else "no interval: too few tasks"
        sentences.append(f"{layer} {plain(r.value)} ({interval})")
    panels[0, 0].set_ylabel("AUC gain over random")
    if len(tasks) > 1:
        figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=min(len(tasks), 7))
    caption = (
        f"{init_name(init)}: similarity of its layers before and after fine-tuning against the relative AUC gain over "
        f"random initialisation, a point a fold. Correlation with 95 % interval: {listed(sentences)}."
    )
    caption += "" if len(tasks) > 1 else " One task only: the points are its folds, which are not independent."
    return gallery.keep(figure, f"similarity-and-gain-{init}", f"Similarity and gain: {init_name(init)}", caption)


def filters(
    gallery: Gallery, task: str, variant: str, before: Float[np.ndarray, "7 7 3 c"], after: Float[np.ndarray, "7 7 3 c"]
) -> Figure:
    """The first layer's filters before and after fine-tuning, each scaled to its own range."""
    figure, panels = new(2 * COLUMN, 3.6, columns=2)
    change = np.linalg.norm(after - before) / np.linalg.norm(before)
    for axes, kernels, title in ((panels[0], before, "before"), (panels[1], after, "after fine-tuning")):
        axes.imshow(_tiles(kernels), interpolation="nearest")
        axes.set_title(title)
        axes.set_axis_off()
    name = read_model(variant, task)
    caption = (
        f"The filters of conv1 of {name} on {task} before and after fine-tuning, each scaled to its own range. They "
        f"changed by {100 * change:.1f} % of their norm."
    )
    return gallery.keep(figure, f"{task}-filters-{variant}", f"conv1: {name}", caption, photographs=True)


def _tiles(kernels: Float[np.ndarray, "h w c n"], across: int = 8, zoom: int = 6) -> Float[np.ndarray, "y x c"]:
    low, high = kernels.min(axis=(0, 1, 2)), kernels.max(axis=(0, 1, 2))
    scaled = (kernels - low) / np.maximum(high - low, 1e-12)
    height, width, channels, count = scaled.shape
    down = -(-count // across)
    canvas = np.ones((down * (height + 1) - 1, across * (width + 1) - 1, channels))
    for number in range(count):
        y, x = number // across * (height + 1), number % across * (width + 1)
        canvas[y : y + height, x : x + width] = scaled[..., number]
    return canvas.repeat(zoom, axis=0).repeat(zoom, axis=1)
