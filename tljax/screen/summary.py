"""Summarises the results of the candidates in the tables of a screening."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from tljax.screen import rule, scores
from tljax.screen.efficiency import equivalence
from tljax.screen.measure import POOLED
from tljax.screen.setting import DRAWS, SHARES, Setting
from tljax.statistics.over_folds import corrected_t

ONE = 0.95  # debiased CKA above which the features of two candidates count as the same

Result = Mapping[str, Any]
Rows = list[tuple]


class Figure(NamedTuple):
    """A mean over folds and its interval; NaN if unknown."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Summary:
    """The tables of a screening, each with its columns, and the shortlist with its remarks."""

    tables: Mapping[str, tuple[tuple[str, ...], Rows]]
    figures: Mapping[tuple[str, str], Figure]
    """The values over all folds, by network and score."""
    shortlist: rule.Shortlist


def summarise(results: Sequence[Result], setting: Setting, keep: int, seed: int, alike: Mapping) -> Summary:
    """Returns the tables of the candidates that did not fail.

    alike: debiased CKA by pair of candidates.
    """
    ratio = setting.test_to_train
    folds = {(each["name"], name): _fold_values(each, name) for each in results for name in each["scores"]}
    _pool(results, folds)
    figures = {key: _figure(key, values, results, setting) for key, values in folds.items()}
    candidates = [_candidate(each, figures) for each in results]
    shortlist = rule.choose(candidates, keep, ratio)
    remarks = [*shortlist.remarks, *_redundant(alike), *_best_layers(results, ratio)]
    shortlist = rule.Shortlist(shortlist.choices, tuple(remarks))
    tables = {
        "screen": _screen(results, folds, figures),
        "shortlist": (
            ("rank", "network", "reason"),
            [(place, each.name, each.reason) for place, each in enumerate(shortlist.choices, start=1)],
        ),
        "layers": _layers(results, ratio),
        "redundancy": (("first", "second", "debiased_cka"), [(*pair, value) for pair, value in alike.items()]),
        "cost": _cost(results),
    }
    if setting.draws:
        tables["efficiency"] = _efficiency(results, setting)
        tables["equivalence"] = _equivalence(results, setting, seed)
    if setting.without:
        tables["duplicates"] = _duplicates(results, ratio)
    return Summary(tables, figures, shortlist)


def bounded(values: Sequence[float], ratio: float, low: float = -np.inf, high: float = np.inf) -> Figure:
    """Returns the mean of values by fold, and its interval, cut off at the bounds of the quantity."""
    found = corrected_t(np.array(values, float), ratio)
    return (
        Figure(found.value, max(found.low, low), min(found.high, high))
        if found.low == found.low
        else Figure(found.value, np.nan, np.nan)
    )


def _fold_values(result: Result, name: str) -> list[float]:
    return [np.nan if value is None else value for value in result["scores"][name]["folds"]]


def _pool(results: Sequence[Result], folds: dict[tuple[str, str], list[float]]) -> None:
    """Adds the values of scores that compare the candidates with each other."""
    for name in dict.fromkeys(name for each in results for name in each["scores"]):
        module = scores.named(name)
        if not hasattr(module, "pooled"):
            continue
        count = len(results[0]["scores"][name]["folds"])
        for fold in range(count):
            parts = [scores.Score(np.nan, details=each["scores"][name]["details"][fold]) for each in results]
            for each, found in zip(results, module.pooled(parts), strict=True):
                folds[each["name"], name][fold] = found.value


def _figure(key: tuple[str, str], values: list[float], results: Sequence[Result], setting: Setting) -> Figure:
    name, score = key
    kept = next(each for each in results if each["name"] == name)["scores"][score]
    if not values:
        value = kept.get("value")
        return Figure(np.nan if value is None else value, np.nan, np.nan)
    low, high = scores.named(score).bounds(setting.classes)
    found = bounded(values, setting.test_to_train, low, high)
    return Figure(found.value, kept["low"], kept["high"]) if "low" in kept else found


def _candidate(result: Result, figures: Mapping[tuple[str, str], Figure]) -> rule.Candidate:
    return rule.Candidate(
        result["name"],
        result["backbone"],
        result["cost"]["multiply_adds"] or 0.0,
        tuple(result["scores"]["linear_probe"]["folds"]),
        {name: figures[result["name"], name].value for name in rule.RANKED_BY},
        result["random"],
    )


def _screen(
    results: Sequence[Result],
    folds: Mapping[tuple[str, str], list[float]],
    figures: Mapping[tuple[str, str], Figure],
) -> tuple[tuple[str, ...], Rows]:
    rows: Rows = []
    for each in results:
        for name, kept in each["scores"].items():
            figure = figures[each["name"], name]
            rows.append((each["name"], name, "", *figure, kept["seconds"]))
            values = folds[each["name"], name]
            rows += [(each["name"], name, fold, value, "", "", "") for fold, value in enumerate(values, start=1)]
    return ("network", "score", "fold", "value", "low", "high", "seconds"), rows


def _layers(results: Sequence[Result], ratio: float) -> tuple[tuple[str, ...], Rows]:
    """Returns the AUC of the probe on each layer, and its gain over the probe on the pooled features."""
    rows: Rows = []
    for each in results:
        known = {layer: values for layer, values in each["layers"].items() if values}
        best = max(known, key=lambda layer: np.mean(known[layer]))
        for layer, values in known.items():
            figure = bounded(values, ratio, 0.0, 1.0)
            gain = bounded(np.subtract(values, known[POOLED]).tolist(), ratio)
            rows.append((each["name"], layer, *figure, *gain, int(layer == best)))
    return ("network", "layer", "value", "low", "high", "gain", "gain_low", "gain_high", "best"), rows


def _best_layers(results: Sequence[Result], ratio: float) -> list[str]:
    """Returns remarks on layers whose probe is shown to be better than that on the pooled features."""
    remarks = []
    for each in results:
        known = {layer: values for layer, values in each["layers"].items() if values}
        layer = max(known, key=lambda layer: np.mean(known[layer]))
        gain = bounded(np.subtract(known[layer], known[POOLED]).tolist(), ratio)
        if gain.low > 0:
            remarks.append(
                f"{each['name']} is best at {layer}: the AUC of the probe differs from that on the pooled features by "
                f"{gain.value:+.3f} (95 % interval {gain.low:+.3f} to {gain.high:+.3f})."
            )
    return remarks


def _redundant(alike: Mapping[tuple[str, str], float]) -> list[str]:
    """Returns remarks on candidates whose features are nearly the same."""
    groups: list[set[str]] = []
    for pair, value in alike.items():
        if value >= ONE:
            touched = [group for group in groups if group & set(pair)]
            groups = [group for group in groups if group not in touched] + [set(pair).union(*touched)]
    return [
        f"{', '.join(sorted(group))} have nearly the same features (debiased CKA of at least {ONE}): keep one of them."
        for group in groups
    ]


def _cost(results: Sequence[Result]) -> tuple[tuple[str, ...], Rows]:
    names = ("parameters", "multiply_adds", "images_per_second", "bytes", "batch_size", "image_size", "device")
    about = ("spec", "backbone", "variant", "pretraining")
    rows = [
        (each["name"], *(each[name] for name in about), *(each["cost"].get(name) for name in names)) for each in results
    ]
    return ("network", *about, *names), rows


def curve(result: Result, setting: Setting) -> tuple[list[float], list[Float[np.ndarray, "f d"]]]:
    """Returns the numbers of training images, and for each the AUC by fold and draw; the last is that of all images."""
    draws = {share: [draw for draw in setting.draws if draw.share == share] for share in SHARES}
    sizes = [float(np.mean([len(draw.rows) for draw in draws[share]])) for share in SHARES]
    sizes.append(float(np.mean([len(fold.train) for fold in setting.folds])))
    everything = np.array(result["scores"]["linear_probe"]["folds"])[:, None]
    return sizes, [*(np.array(result["efficiency"][f"{share:g}"]) for share in SHARES), everything]


def _efficiency(results: Sequence[Result], setting: Setting) -> tuple[tuple[str, ...], Rows]:
    rows: Rows = []
    for each in results:
        sizes, values = curve(each, setting)
        for share, size, aucs in zip((*SHARES, 1.0), sizes, values, strict=True):
            figure = bounded(aucs.mean(axis=1).tolist(), setting.test_to_train, 0.0, 1.0)
            rows.append((each["name"], share, size, DRAWS if share < 1 else 1, *figure))
    return ("network", "share", "images", "draws", "value", "low", "high"), rows


def _equivalence(results: Sequence[Result], setting: Setting, seed: int) -> tuple[tuple[str, ...], Rows]:
    """Returns, for each pair, the number of images with which the better one reaches the other with all images."""
    rows: Rows = []
    for pair in combinations(results, 2):
        better, other = sorted(pair, key=lambda each: -np.mean(each["scores"]["linear_probe"]["folds"]))
        sizes, values = curve(better, setting)
        found = equivalence(sizes, values, np.array(other["scores"]["linear_probe"]["folds"]), seed)
        rows.append((better["name"], other["name"], *found, sizes[-1]))
    return ("first", "second", "images", "low", "high", "of"), rows


def _duplicates(results: Sequence[Result], ratio: float) -> tuple[tuple[str, ...], Rows]:
    """Returns how much of each probe's AUC is due to duplicates: the AUC without as many others, minus without them."""
    rows: Rows = []
    for each in results:
        without, others = each["without"]["duplicates"], each["without"]["others"]
        made = bounded(np.subtract(others, without).tolist(), ratio)
        auc = np.mean(each["scores"]["linear_probe"]["folds"])
        rows.append((each["name"], auc, np.mean(without), np.mean(others), *made))
    return ("network", "auc", "without_duplicates", "without_others", "made", "low", "high"), rows
