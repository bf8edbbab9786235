"""Figures of what fine-tuning changes inside a network: representations, filters, and how that goes with the gain."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from tljax import statistics
from tljax.report import published
from tljax.report.figures import FAINT, INK, Figure, Gallery, Look, looks, new
from tljax.report.gather import Study
from tljax.report.models import Model, read_model
from tljax.report.names import init_name, listed, plain
from tljax.report.task import Task

LAYERS = published.LAYERS
Rows = list[dict[str, str]]
Pair = tuple[Model, Model]


def _value(row: Mapping[str, str], key: str) -> float:
    try:
        return float(row.get(key) or "nan")
    except ValueError:
        return float("nan")


def rows_of(study: Study, task: str) -> dict[tuple[str, str], Rows]:
    """The rows of a task by protocol and measure, the paper's protocol and CCA first; without flagged figures."""
    found: dict[tuple[str, str], Rows] = defaultdict(list)
    for row in study.tables.get("representations", []):
        if row.get("task") == task and not row.get("flag"):
            found[row.get("protocol", ""), row.get("measure", "")].append(row)
    return dict(sorted(found.items(), key=lambda item: (item[0][0] != "paper", item[0][1] != "cca", item[0])))


def flagged(study: Study, task: str, protocol: str, measure: str) -> str:
    """What the curves leave out, and why; empty where nothing."""
    left_out = {
        f"{row.get('layer1')} ({row['flag']})"
        for row in study.tables.get("representations", [])
        if (row.get("task"), row.get("protocol"), row.get("measure")) == (task, protocol, measure) and row.get("flag")
    }
    return f" Left out: {listed(sorted(left_out))}." if left_out else ""


def main_rows(study: Study, task: str) -> Rows:
    """The first of them."""
    return next(iter(rows_of(study, task).values()), [])


def measure_name(rows: Rows) -> str:
    """The measure of these rows, for an axis."""
    name = rows[0].get("measure", "") if rows else ""
    return {"cca": "mean CCA"}.get(name, name.replace("_cka", " CKA").replace("_", " "))


def by_pair(rows: Rows, task: str) -> dict[Pair, Rows]:
    """Rows by the two models compared, the untuned one second."""
    pairs: dict[Pair, Rows] = defaultdict(list)
    for row in rows:
        first, second = read_model(row.get("model1", ""), task), read_model(row.get("model2", ""), task)
        pairs[(second, first) if second.tuned and not first.tuned else (first, second)].append(row)
    return dict(pairs)


def layer_curves(gallery: Gallery, study: Study, task: Task) -> list[Figure]:
    """The paper's two figures: each network before and after fine-tuning; and different networks with each other.

    For each protocol and measure that was run; CKA by the full protocol only.
    """
    drawn = []
    for (protocol, measure), rows in rows_of(study, task.name).items():
        if protocol == "paper" and measure != "cca":
            continue
        pairs = by_pair([row for row in rows if row.get("layer1") == row.get("layer2")], task.name)
        own = {pair: found for pair, found in pairs.items() if _plain(*pair) and _before_after(*pair)}
        others = {pair: found for pair, found in pairs.items() if _plain(*pair) and pair[0].tuned == pair[1].tuned}
        for part, title, stem in ((own, "Before and after tuning", "tuning"), (others, "Between networks", "between")):
            if part:
                names = [pair[0].init if part is own else f"{pair[0]} – {pair[1]}" for pair in part]
                stem = f"{task.name}-{protocol}-{measure}-{stem}"
                title = f"{title}: {measure_name(rows)}, {protocol} protocol"
                note = flagged(study, task.name, protocol, measure)
                drawn.append(_curves(gallery, task, part, names, title, stem, note))
    return drawn


def _plain(first: Model, second: Model) -> bool:
    """Neither frozen first nor of a recipe of its own."""
    return not (first.freeze or second.freeze or first.tag or second.tag)


def _before_after(first: Model, second: Model) -> bool:
    return first.tuned and not second.tuned and first.init == second.init


def _curves(
    gallery: Gallery, task: Task, pairs: Mapping[Pair, Rows], names: Sequence[str], title: str, stem: str, note: str
) -> Figure:
    look = looks(names)
    figure, axes = new(height=3.0 + 0.16 * max(len(pairs) - 3, 0))
    layers = [layer for layer in LAYERS if any(row["layer1"] == layer for rows in pairs.values() for row in rows)]
    by_chance, compared, folds = False, False, set()
    for (pair, rows), name in zip(pairs.items(), names, strict=True):
        style = look[name]
        values = [[_value(row, "value") for row in rows if row["layer1"] == layer] for layer in layers]
        mean = np.array([np.mean(v) if v else np.nan for v in values])
        folds |= {len(v) for v in values}
        error = np.transpose([_spread([row for row in rows if row["layer1"] == layer]) for layer in layers])
        label = f"{pair[0]} – {pair[1]}"
        axes.errorbar(
            range(len(layers)), mean, error, linestyle=style.dash, elinewidth=0.9, capsize=2, label=label, **style.mark,
        )  # fmt: skip
        chance = [[_value(row, "chance") for row in rows if row["layer1"] == layer] for layer in layers]
        if np.isfinite(chance := [np.mean(c) if c else np.nan for c in chance]).any():
            by_chance = True
            axes.plot(range(len(layers)), chance, color=style.colour, linewidth=0.9, dashes=(1, 1.5))
        if "paper protocol" in title and (paper := _published(task.name, pair)):
            compared = True
            axes.plot(
                np.arange(len(layers)) + 0.13, [paper[layer].mean for layer in layers], "d", color="white",
                markeredgecolor=style.colour, markersize=4.5,
            )  # fmt: skip
    if by_chance:
        axes.plot([], [], color=INK, linewidth=0.9, dashes=(1, 1.5), label="chance, of each pair in its colour")
    axes.set_xticks(range(len(layers)), layers)
    axes.set_ylim(0, 1.02)
    axes.set_ylabel(measure_name(next(iter(pairs.values()))))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), fontsize=7)
    spread = "standard deviation over folds" if max(folds) > 1 else "95 % interval"
    caption = f"{title}. Similarity of representations by layer on {task.name}; bars: {spread}."
    caption += " Dotted: what they would give, did one see other images than the other." if by_chance else ""
    caption += " Hollow diamonds: published means." if compared else ""
    return gallery.keep(figure, stem, title, caption + note)


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
    for (first, second), found in by_pair(main_rows(study, task.name), task.name).items():
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
        rows = [row for row in main_rows(study, task.name) if row.get("layer1") == row.get("layer2")]
        for (first, second), found in by_pair(rows, task.name).items():
            if not (_plain(first, second) and _before_after(first, second)):
                continue
            for row in found:
                gain = gains.get((first.init, row.get("fold", "").removeprefix("fold")))
                if gain is not None:
                    measure = measure_name(found)
                    points[first.init][row["layer1"]].append((task.name, _value(row, "value"), gain))
    look = looks([task.name for task in study.tasks])
    return [_gain_panels(gallery, init, layers, measure, look) for init, layers in points.items() if init != "random"]


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
    gallery: Gallery,
    init: str,
    layers: Mapping[str, list[tuple[str, float, float]]],
    measure: str,
    look: Mapping[str, Look],
) -> Figure:
    names = [layer for layer in LAYERS if layer in layers]
    tasks = sorted({task for found in layers.values() for task, _, _ in found})
    figure, panels = new(1.75 * max(len(names), 2), 2.5, columns=len(names), sharey=True, squeeze=False)
    sentences = []
    for axes, layer in zip(panels[0], names, strict=True):
        of_task, x, y = zip(*layers[layer], strict=True)
        for task in tasks:
            at = [number for number, name in enumerate(of_task) if name == task]
            axes.plot([x[i] for i in at], [y[i] for i in at], "", label=task, alpha=0.85, **look[task].mark)
        r = statistics.correlation(np.array(x), np.array(y), of_task if len(tasks) > 1 else None)
        sure = np.isfinite(r.low)  # without an interval, a coefficient says nothing
        axes.set_title(f"{layer}  r = {plain(r.value)}" if sure else layer)
        axes.set_xlabel(measure)
        axes.axhline(0, color=FAINT, linewidth=0.7)
        axes.locator_params(axis="x", nbins=4)
        if sure:
            sentences.append(f"{layer} {plain(r.value)} ({plain(r.low)} to {plain(r.high)})")
    panels[0, 0].set_ylabel("AUC gain over random")
    if len(tasks) > 1:
        figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=min(len(tasks), 7))
    caption = (
        f"{init_name(init)}: similarity of its layers before and after fine-tuning against the relative AUC gain over "
        f"random initialisation, a point a fold. "
    )
    caption += (
        f"Correlation with 95 % interval: {listed(sentences)}."
        if sentences
        else "Too few points or tasks to correlate."
    )
    caption += "" if len(tasks) > 1 else " One task only: the points are its folds, which are not independent."
    return gallery.keep(figure, f"similarity-and-gain-{init}", f"Similarity and gain: {init_name(init)}", caption)


def filters(
    gallery: Gallery, task: str, variant: str, before: Float[np.ndarray, "7 7 3 c"], after: Float[np.ndarray, "7 7 3 c"]
) -> Figure:
    """The first layer's filters before (left) and after fine-tuning (right), each scaled to its own range."""
    change = np.linalg.norm(after - before) / np.linalg.norm(before)
    tiles = [_tiles(kernels) for kernels in (before, after)]
    gap = np.ones((tiles[0].shape[0], 24, 3))
    picture = np.concatenate([tiles[0], gap, tiles[1]], axis=1)
    name = read_model(variant, task)
    caption = (
        f"The filters of conv1 of {name} on {task} before (left) and after fine-tuning (right), each scaled to its own "
        f"range. They changed by {100 * change:.1f} % of their norm."
    )
    pixels = np.round(255 * picture).astype(np.uint8)
    return gallery.keep_pixels(pixels, f"{task}-filters-{variant}", f"conv1: {name}", caption)


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
