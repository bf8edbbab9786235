"""Figures of what fine-tuning changes inside a network: representations, filters, and how that goes with the gain."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Float

from tljax.core.paper import LAYERS
from tljax.report import published
from tljax.report.figures import FAINT, INK, Figure, Gallery, Look, looks, new
from tljax.report.gather import Study
from tljax.report.models import Model, read_model
from tljax.report.names import init_name, listed, plain
from tljax.report.representations import Comparisons, Pair, Rows, by_fold, comparisons, figure_of, main
from tljax.report.task import Task
from tljax.statistics import intervals


def layer_curves(gallery: Gallery, study: Study, task: Task) -> list[Figure]:
    """The paper's two figures: each network before and after fine-tuning; and different networks with each other.

    For each protocol, measure and condition that was run; CKA by the full protocol only.
    """
    drawn = []
    for found in comparisons(study, task.name):
        if found.protocol == "paper" and found.measure != "cca":
            continue
        pairs = {pair: rows for pair, rows in found.pairs(diagonal=True).items() if not _frozen(*pair)}
        own = {pair: rows for pair, rows in pairs.items() if _before_after(*pair)}
        others = {pair: rows for pair, rows in pairs.items() if pair[0].tuned == pair[1].tuned}
        for part, title, stem in ((own, "Before and after tuning", "tuning"), (others, "Between networks", "between")):
            if part:
                names = [pair[0].init if part is own else f"{pair[0]} – {pair[1]}" for pair in part]
                title = f"{title}: {found.task}, {found.measure_name}, {found.protocol} protocol"
                drawn.append(_curves(gallery, found, part, names, ", ".join(filter(None, (title, found.told))), stem))
    return drawn


def _frozen(first: Model, second: Model) -> bool:
    return first.freeze or second.freeze


def _before_after(first: Model, second: Model) -> bool:
    return first.tuned and not second.tuned and first.init == second.init


def _curves(
    gallery: Gallery, found: Comparisons, pairs: Mapping[Pair, Rows], names: Sequence[str], title: str, stem: str
) -> Figure:
    look = looks(list(names))
    figure, axes = new(height=3.0 + 0.16 * max(len(pairs) - 3, 0))
    layers = [layer for layer in LAYERS if any(row["layer1"] == layer for rows in pairs.values() for row in rows)]
    by_chance, compared, folds = False, False, set()
    for number, ((pair, rows), name) in enumerate(zip(pairs.items(), names, strict=True)):
        style = look[name]
        x = np.arange(len(layers)) + 0.04 * (number - (len(pairs) - 1) / 2)  # beside each other, not over each other
        of_layer = [[row for row in rows if row["layer1"] == layer] for layer in layers]
        values = [list(by_fold(each).values()) for each in of_layer]
        mean = np.array([np.mean(v) if v else np.nan for v in values])
        folds |= {len(v) for v in values}
        error = np.transpose([_spread(each) for each in of_layer])
        axes.errorbar(
            x, mean, error, linestyle=style.dash, elinewidth=0.9, capsize=2,
            label=f"{pair[0]} – {pair[1]}", **style.mark,
        )  # fmt: skip
        chance = [[figure_of(row, "chance") for row in each] for each in of_layer]
        if np.isfinite(chance := [np.mean(c) if c else np.nan for c in chance]).any():
            by_chance = True
            axes.plot(x, chance, color=style.colour, linewidth=0.9, dashes=(1, 1.5))
        if found.like_published and (paper := _published(found.task, pair)):
            compared = True
            axes.plot(
                x + 0.02 * len(pairs) + 0.1, [paper[layer].mean for layer in layers], "d", color="white",
                markeredgecolor=style.colour, markersize=4.5,
            )  # fmt: skip
    if by_chance:
        axes.plot([], [], color=INK, linewidth=0.9, dashes=(1, 1.5), label="chance, of each pair in its colour")
    axes.set_xticks(range(len(layers)), layers)
    axes.set_ylim(0, 1.02)
    axes.set_ylabel(found.measure_name)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), fontsize=7, handlelength=3.5)
    spread = "standard deviation over folds" if max(folds) > 1 else "95 % interval"
    caption = f"{title}. Similarity of representations by layer; bars: {spread}."
    caption += " Dotted: what they would give, did one see other images than the other." if by_chance else ""
    caption += " Hollow diamonds: published means." if compared else ""
    name = "-".join(filter(None, (found.task, found.protocol, found.measure, found.condition, stem)))
    return gallery.keep(figure, name, title, caption + found.note)


def _spread(rows: Rows) -> tuple[float, float]:
    """How far the bar of a layer reaches down and up: the standard deviation over folds, or the interval of the one."""
    values = list(by_fold(rows).values())
    if len(values) > 1:
        reach = float(np.std(values, ddof=1))
        return reach, reach
    if len(rows) != 1:  # several seeds of one fold have no interval together
        return 0.0, 0.0
    value, low, high = (figure_of(rows[0], key) for key in ("value", "low", "high"))
    return tuple(float(np.nan_to_num(max(reach, 0.0))) for reach in (value - low, high - value))


def _published(task: str, pair: Pair) -> Mapping[str, published.Published]:
    return published.cca(
        task, *(f"{task}-{model.published_name}" if model.tuned else model.published_name for model in pair)
    )


def heat_maps(gallery: Gallery, study: Study, task: Task) -> list[Figure]:
    """Every layer of one network against every layer of another, where that was measured."""
    known = comparisons(study, task.name)
    first = [found for found in known if (found.protocol, found.measure) == (known[0].protocol, known[0].measure)]
    return [drawn for found in first for drawn in _heat_maps_of(gallery, found)]


def _heat_maps_of(gallery: Gallery, comparison: Comparisons) -> Iterator[Figure]:
    for (first, second), found in comparison.pairs().items():
        sums: dict[tuple[str, str], list[float]] = defaultdict(list)
        for row in found:
            flipped = comparison.model(row["model1"]) != first
            layers = (row.get("layer1", ""), row.get("layer2", ""))
            sums[layers[::-1] if flipped else layers].append(figure_of(row, "value"))
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
        told = f", {comparison.told}" if comparison.told else ""
        caption = (
            f"{comparison.measure_name} of each layer of {first} with each of {second} on {comparison.task}{told}, "
            "mean over folds."
        )
        name = "-".join(filter(None, (comparison.task, comparison.condition, "layers", str(first), str(second))))
        yield gallery.keep(figure, name, f"{comparison.task}: {first} – {second}{told}", caption)


def similarity_and_gain(gallery: Gallery, study: Study) -> list[Figure]:
    """Similarity before and after fine-tuning against the relative AUC gain over random, a panel a layer."""
    points: dict[str, dict[str, list[tuple[str, float, float]]]] = defaultdict(lambda: defaultdict(list))
    measure = ""
    for task in study.tasks:
        gains, found = _gains(task), main(study, task)
        if found is None:
            continue
        for (first, second), rows in found.pairs(diagonal=True).items():
            if _frozen(first, second) or not _before_after(first, second):
                continue
            measure = found.measure_name
            for layer in dict.fromkeys(row["layer1"] for row in rows):
                for fold, value in by_fold([row for row in rows if row["layer1"] == layer]).items():
                    if (gain := gains.get((first.init, fold))) is not None:
                        points[first.init][layer].append((task.name, value, gain))
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
            axes.plot([x[i] for i in at], [y[i] for i in at], linestyle="", label=task, **look[task].mark)
        r = intervals.correlation(np.array(x), np.array(y), of_task if len(tasks) > 1 else None)
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
    return gallery.keep_pixels(pixels, f"{task}-filters-{variant}", f"conv1: {task}, {name}", caption)


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
