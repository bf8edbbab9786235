"""Similarity of representations layer by layer: before and after fine-tuning, and between networks."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tljax.core.measures import COVERS, measure_title
from tljax.report.analysis.networks import NetworkPair
from tljax.report.analysis.representations import MatchedLayers, Representations
from tljax.report.analysis.study import Task
from tljax.report.drawing.gallery import Gallery, new_figure
from tljax.report.drawing.style import INK, styles_of
from tljax.report.elements import Drawing
from tljax.report.published import results as published
from tljax.report.wording.names import compared_condition, init_name, listed, pair_name

Curves = Mapping[NetworkPair, Sequence[MatchedLayers]]


def draw(gallery: Gallery, task: Task) -> list[Drawing]:
    """Draws the paper's two figures for each protocol, measure and condition; CCA only for the paper's protocol."""
    drawn = []
    for found in task.representations:
        if found.protocol == "paper" and found.measure != "cca":
            continue
        pairs = [pair for pair in found.values if not pair.freeze]
        for kind, title, chosen in (
            ("tuning", "Before and after fine-tuning", [pair for pair in pairs if pair.before_and_after]),
            ("between", "Between networks", [pair for pair in pairs if pair.same_stage]),
        ):
            curves = {pair: matched for pair in chosen if (matched := found.matched(pair))}
            if curves:
                inits = {network.init for pair in curves for network in (pair.first, pair.second)}
                same_networks = all(published.comparable(arm) for arm in task.arms if arm.init in inits)
                drawn.append(_figure(gallery, found, curves, kind, title, found.like_published and same_networks))
    return drawn


def _figure(
    gallery: Gallery, found: Representations, curves: Curves, kind: str, title: str, with_published: bool
) -> Drawing:
    names = [init_name(pair.first.init) if kind == "tuning" else pair_name(pair) for pair in curves]
    inits = [pair.first.init if kind == "tuning" else name for pair, name in zip(curves, names, strict=True)]
    styles = styles_of(inits)
    figure, axes = new_figure(height=3.0 + 0.16 * max(len(curves) - 3, 0))
    ticks = _common_layers(found, curves)
    shift = 0.04 if ticks else 0.005  # draws curves next to each other, so that none hides another
    by_chance = compared = False
    for number, ((pair, layers), key) in enumerate(zip(curves.items(), inits, strict=True)):
        style = styles[key]
        places = np.array([ticks.index(layer.name) if ticks else layer.depth for layer in layers], dtype=float)
        x = places + shift * (number - (len(curves) - 1) / 2)
        mean = [np.mean(list(layer.by_fold.values())) for layer in layers]
        error = np.transpose([_spread(layer) for layer in layers])
        axes.errorbar(
            x, mean, error, linestyle=style.dash, elinewidth=0.9, capsize=2, label=pair_name(pair), **style.mark
        )
        chance = [np.mean([value.chance for value in layer.values]) for layer in layers]
        if np.isfinite(chance).any():
            by_chance = True
            axes.plot(x, chance, color=style.colour, linewidth=0.9, dashes=(1, 1.5))
        if ticks and with_published and (paper := published.cca_of(found.task, pair)):
            at = [(place, paper[name].mean) for place, name in enumerate(ticks) if name in paper]
            if at:
                compared = True
                place, value = np.transpose(at)
                hollow: dict[str, Any] = {"color": "white", "markeredgecolor": style.colour, "markersize": 4.5}
                axes.plot(place + shift * len(curves) / 2 + 0.1, value, "d", **hollow)
    if by_chance:
        axes.plot([], [], color=INK, linewidth=0.9, dashes=(1, 1.5), label="chance level of the pair in this colour")
    if ticks:
        axes.set_xticks(range(len(ticks)), ticks, rotation=90 if len(ticks) > 6 else 0)
    else:
        axes.set_xlabel("relative depth (0: first layer, 1: last)")
    axes.set_ylim(min(0, axes.get_ylim()[0]), 1.02)  # debiased CKA can be negative
    axes.set_ylabel(measure_title(found.measure))
    below = 0.13 if ticks and len(ticks) <= 6 else 0.3
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -below), fontsize=7, handlelength=3.5)
    heading = ", ".join(
        filter(
            None,
            (
                f"{title}: {found.task}",
                measure_title(found.measure),
                f"{found.protocol} protocol",
                compared_condition(found),
            ),
        )
    )
    caption = f"{heading}. Similarity of representations, layer by layer. {_bars(found, curves)}"
    if not ticks and kind == "tuning":
        caption += " The networks have different layers, which are placed by their relative depth."
    elif not ticks:
        caption += " The networks have different layers: each is compared with the layer at the nearest relative depth."
    if pooled := [name for pair, name in zip(curves, names, strict=True) if pair in found.pooled]:
        caption += f" Averaged over the positions of an image: {listed(pooled)}."
    caption += " Dotted: the chance level, measured on mismatched images." if by_chance else ""
    caption += " Hollow diamonds: published means." if compared else ""
    if found.flagged:
        left_out = sorted({f"{layer} ({flag})" for layer, flag in found.flagged})
        caption += f" Left out: {listed(left_out)}."
    condition = (found.preprocessing, found.recipe) if found.other_conditions else ()
    name = "-".join(filter(None, (found.task, found.protocol, found.measure, *condition, kind)))
    return gallery.keep(figure, name, heading, caption)


def _common_layers(found: Representations, curves: Curves) -> list[str]:
    """Returns the names of the layers if all networks have the same ones; otherwise nothing."""
    networks = {network for pair in curves for network in (pair.first, pair.second)}
    if len({found.layers[network] for network in networks}) > 1:
        return []
    shown = {layer.name for layers in curves.values() for layer in layers}
    return [name for name in found.layers[next(iter(networks))] if name in shown]


def _spread(layer: MatchedLayers) -> tuple[float, float]:
    """Returns how far the bar extends down and up: the standard deviation over folds, or the interval of one fold."""
    values = list(layer.by_fold.values())
    if len(values) > 1:
        reach = float(np.std(values, ddof=1))
        return reach, reach
    if len(layer.values) != 1:  # several seeds of one fold have no common interval
        return 0.0, 0.0
    (one,) = layer.values
    low, high = (float(np.nan_to_num(max(reach, 0.0))) for reach in (one.value - one.low, one.high - one.value))
    return low, high


def _bars(found: Representations, curves: Curves) -> str:
    if max(len(layer.by_fold) for layers in curves.values() for layer in layers) > 1:
        return "Bars: standard deviation over folds."
    return f"Bars: 95 % interval{f' of {COVERS[found.covers]}' if found.covers in COVERS else ''}."
