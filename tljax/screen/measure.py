"""Measures one candidate, and returns the results as plain values that can be saved as JSON."""

import inspect
import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from tljax import models
from tljax.core.config import ScreenConfig
from tljax.screen import probe, scores
from tljax.screen.candidates import Entry, load
from tljax.screen.extraction import Features, NotFinite, extract
from tljax.screen.setting import DRAWS, SHARES, Setting
from tljax.statistics import metrics
from tljax.statistics.auc_interval import auc_interval
from tljax.weights.networks import Network

ROUGH = 1e-5  # tolerance in nats, where hundreds of probes are fitted
STRONG = probe.STRENGTHS[:4]  # the choices for probes on a part of the training images
POOLED = "features"


def measure(entry: Entry, config: ScreenConfig, setting: Setting, wanted: Sequence[str]) -> dict[str, Any]:
    """Runs a candidate over all images, and returns its results as JSON values.

    If the features are not finite, or are the same for all images, the results hold `failed` with the reason.
    """
    network = load(entry, config)
    about: dict[str, Any] = {"name": entry.name, "spec": entry.spec}
    about |= {"backbone": entry.backbone, "variant": entry.variant}
    about |= {"random": entry.random, "pretraining": entry.pretraining}
    try:
        found = extract(
            network,
            setting.data,
            layers=None,
            batch_size=config.batch_size,
            cache_dir=config.cache_dir,
            progress=not config.quiet,
        )
    except NotFinite as error:
        return about | {"failed": str(error)}
    if (found.pooled == found.pooled[:1]).all():
        return about | {"failed": f"{entry.name} gives all images the same features"}
    about["cost"] = cost(network, found)
    source = _source(network, found.pooled)
    del network
    points = found.pooled.astype(np.float64)
    about["scores"] = _scores(wanted, points, config, setting, entry, source)
    known = about["scores"]["linear_probe"]
    about["layers"] = {  # in many networks, the average of the last layer is the input of the head
        name: known["folds"] if _same(layer, found.pooled) else _probe(layer, setting, config.seed)
        for name, layer in found.layers.items()
    }
    about["layers"][POOLED] = known["folds"]
    about["without"] = _without(points, setting, known["strengths"])
    about["efficiency"] = _efficiency(points, setting, config.seed)
    return about


def _same(one: Float[np.ndarray, "n _c"], other: Float[np.ndarray, "n _d"]) -> bool:
    return one.shape == other.shape and np.allclose(one, other, rtol=1e-6)


def cost(network: Network, found: Features) -> dict[str, Any]:
    """Returns the cost of a forward pass, and the number of parameters without the head."""
    tensors = models.flatten(network.model).items()
    own = [tensor for name, tensor in tensors if not name.startswith(models.HEAD)]
    names = ("multiply_adds", "images_per_second", "bytes", "batch_size", "image_size", "device")
    return {"parameters": int(sum(tensor.size for tensor in own))} | {name: found.facts.get(name) for name in names}


def _source(network: Network, pooled: Float[np.ndarray, "n c"]) -> Float[np.ndarray, "n s"] | None:
    """Returns the probabilities of the classes that the network was trained on; None without a head for two or more."""
    if network.card.classes is None or len(network.card.classes) < 2:
        return None
    return np.asarray(jax.nn.softmax(network.model.classify(jax.numpy.asarray(pooled))), np.float64)


def _scores(
    wanted: Sequence[str],
    points: Float[np.ndarray, "n c"],
    config: ScreenConfig,
    setting: Setting,
    entry: Entry,
    source: Float[np.ndarray, "n s"] | None,
) -> dict[str, dict[str, Any]]:
    """Returns, by score, its values by fold and the seconds that they took.

    The scores of a fold share its principal components, whose time is counted for the first score that needs them.
    """
    found: dict[str, dict[str, Any]] = {}
    by_fold = []
    for name in wanted:
        needs = scores.needs(name)
        found[name] = {"folds": [], "seconds": 0.0}
        if "pretraining" in needs:
            found[name] |= _of_pretraining(name, points, setting, entry)
        elif "folds" in needs:
            found[name] |= _over_folds(name, points, config, setting)
        elif "source" not in needs or source is not None:
            by_fold.append(name)
    for fold in setting.folds:
        rows = fold.train
        features, labels = points[rows], setting.data.labels[rows]
        for name in by_fold:
            module, result = scores.named(name), found[name]
            more = {"source": source[rows]} if source is not None and "source" in scores.needs(name) else {}
            begun = time.perf_counter()
            value = module.score(features, labels, **_seed(name, config), **more)
            result["seconds"] += time.perf_counter() - begun
            result["folds"].append(value.value)
            if hasattr(module, "pooled"):
                result.setdefault("details", []).append(dict(value.details))
    return found


def _seed(name: str, config: ScreenConfig) -> dict[str, int]:
    """Returns the seed as an argument of a score, if it takes one."""
    return {"seed": config.seed} if "seed" in inspect.signature(scores.named(name).score).parameters else {}


def _of_pretraining(name: str, points: Float[np.ndarray, "n c"], setting: Setting, entry: Entry) -> dict[str, Any]:
    """Returns the value of a score that depends on the pre-training and not on the folds."""
    begun = time.perf_counter()
    value = scores.named(name).score(points, setting.data.labels, pretraining=entry.pretraining).value
    return {"value": None if np.isnan(value) else value, "seconds": time.perf_counter() - begun}


def _over_folds(name: str, points: Float[np.ndarray, "n c"], config: ScreenConfig, setting: Setting) -> dict[str, Any]:
    """Returns the values of a score that is fitted to the training and tested on the test images of each fold."""
    begun = time.perf_counter()
    given = {"folds": setting.folds, "groups": setting.groups} | _seed(name, config)
    found = scores.named(name).score(points, setting.data.labels, **given)
    result: dict[str, Any] = {"folds": list(found.folds)}
    if name == "linear_probe":
        result["strengths"] = found.details["strengths"]
        if len(setting.folds) == 1:
            result |= _single(found.details["probabilities"][0], setting)
    return result | {"seconds": time.perf_counter() - begun}


def _single(probabilities: Float[np.ndarray, "q k"], setting: Setting) -> dict[str, float]:
    """Returns the interval of the AUC of a single fold, clustered by patient if patients are known."""
    rows = setting.folds[0].test
    patients = None if setting.data.patients is None else [setting.data.patients[row] for row in rows]
    found = auc_interval(setting.data.labels[rows], probabilities, patients)
    return {"low": found.low, "high": found.high}


def _probe(features: Float[np.ndarray, "n c"], setting: Setting, seed: int) -> list[float] | None:
    """Returns the AUC of a probe on a layer, by fold; None if the layer is constant."""
    if (features == features[:1]).all():
        return None
    rows = [fold.train for fold in setting.folds]
    found = probe.fit(features, setting.data.labels, rows, setting.groups, seed, tolerance=ROUGH)
    return [_auc(setting, number, found.probabilities[number]) for number in range(len(rows))]


def _auc(setting: Setting, fold: int, probabilities: Float[np.ndarray, "n k"]) -> float:
    test = setting.folds[fold].test
    return metrics.auc(setting.data.labels[test], probabilities[test])


def _without(
    points: Float[np.ndarray, "n c"], setting: Setting, strengths: Sequence[float]
) -> dict[str, list[float]] | None:
    """Returns the AUC by fold, trained without duplicates of test images, and without as many other images."""
    if not setting.without:
        return None
    sets = [rows for pair in setting.without for rows in pair]
    found = probe.fit(
        points, setting.data.labels, sets, strengths=np.repeat(strengths, 2).tolist(), tolerance=ROUGH
    ).probabilities
    aucs = [_auc(setting, place // 2, probabilities) for place, probabilities in enumerate(found)]
    return {"duplicates": aucs[::2], "others": aucs[1::2]}


def _efficiency(points: Float[np.ndarray, "n c"], setting: Setting, seed: int) -> dict[str, list[list[float]]]:
    """Returns, for each share of the training images, the AUC by fold and draw."""
    if not setting.draws:
        return {}
    sets = [draw.rows for draw in setting.draws]
    found = probe.fit(
        points, setting.data.labels, sets, setting.groups, seed, choices=STRONG, tolerance=ROUGH
    ).probabilities
    aucs = [_auc(setting, draw.fold, each) for draw, each in zip(setting.draws, found, strict=True)]
    by_share = np.array(aucs).reshape(len(SHARES), len(setting.folds), DRAWS)
    return {f"{share:g}": values.tolist() for share, values in zip(SHARES, by_share, strict=True)}
