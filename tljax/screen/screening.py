"""Runs a screening: measures every candidate once, and writes the tables. An interrupted screening can be continued."""

import hashlib
import json
import sys
import warnings
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from tljax.core import devices
from tljax.core.config import ScreenConfig
from tljax.core.errors import UserError, require_at_least, require_seed
from tljax.core.files import write_csv, write_text
from tljax.datasets.folds import RULES
from tljax.screen import candidates, rule, scores
from tljax.screen.candidates import Entry
from tljax.screen.extraction import extract
from tljax.screen.geometry import isometric
from tljax.screen.measure import measure
from tljax.screen.setting import Setting, prepare
from tljax.screen.summary import Summary, summarise
from tljax.similarity.cka import debiased_cka

FORMAT = 2  # of the saved results of a candidate; raise it whenever the same candidate gets other results
COMPARED = 5000  # largest number of images on which the features of candidates are compared
SETTINGS = "settings.json"


def screen(config: ScreenConfig, called: Mapping[str, str] | None = None) -> tuple[Summary, Setting]:
    """Measures all candidates and writes the tables into `config.out`.

    Results of an earlier screening in this folder with the same settings are used again, even if it was interrupted or
    had fewer candidates. called: other names for some of `config.networks`. Raises UserError for settings that make no
    sense, if the folder holds a screening of other settings, and if no candidate is left.
    """
    require_at_least(1, config, "batch_size", "image_size", "keep")
    require_seed(config.seed)
    wanted = _wanted(config.scores)
    entries, missing = candidates.find(config, called)
    for name, why in missing.items():
        print(f"left out {name}: {why}", file=sys.stderr)
    devices.use_compilation_cache(config.cache_dir)
    setting = prepare(config)
    try:
        _require_same_settings(config, setting)
        results = [_measured(entry, config, setting, wanted) for entry in entries]
        for each in results:
            if "failed" in each:
                warnings.warn(f"{each['name']} is left out: {each['failed']}", stacklevel=2)
        kept = [each for each in results if "failed" not in each]
        if not kept:
            raise UserError("no candidate is left: name other networks, or download some with tljax weights get")
        found = summarise(kept, setting, config.keep, config.seed, _alike(kept, entries, config, setting))
        for name, (columns, rows) in found.tables.items():
            write_csv(config.out / f"{name}.csv", columns, ([_cell(value) for value in row] for row in rows))
        write_text(config.out / "remarks.txt", "".join(f"{remark}\n" for remark in found.shortlist.remarks))
    except OSError as error:
        raise UserError(
            f"cannot write {error.filename or config.out} ({error.strerror}); free some space or choose another --out, "
            "and run the same command again: finished parts are kept"
        ) from error
    return found, setting


def _wanted(given: Sequence[str]) -> list[str]:
    """Returns the scores to compute: the given ones, and those that the shortlist needs."""
    chosen = scores.names() if "all" in given else [name for name in given if scores.named(name)]
    return list(dict.fromkeys([*rule.RANKED_BY, *chosen]))


def _require_same_settings(config: ScreenConfig, setting: Setting) -> None:
    """Records the settings of a screening. Raises UserError if the folder holds a screening of other settings."""
    settings = {
        "dataset": config.dataset,
        "images": setting.data.fingerprint,
        "image_size": setting.data.images.shape[1],
        "folds": "lists" if config.folds_dir else RULES[config.folds],
        "group_duplicates": config.group_duplicates,
        "preprocessing": config.preprocessing,
        "precision": devices.compute_dtype(config.precision).name,
        "seed": config.seed,
        "split": setting.digest() if config.efficiency else None,
    }
    path = config.out / SETTINGS
    if path.exists():
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            before = {}
        changed = [
            f"{name} was {before[name]}, is now {value}"
            for name, value in settings.items()
            if name in before and name != "split" and before[name] != value
        ]
        if changed:
            raise UserError(
                f"{config.out} holds a screening with other settings ({'; '.join(changed)}); name another --out, or "
                "remove that folder"
            )
    write_text(path, json.dumps(settings, indent=1) + "\n")


def _measured(entry: Entry, config: ScreenConfig, setting: Setting, wanted: Sequence[str]) -> dict[str, Any]:
    """Returns the results of a candidate, measured now or by an earlier command."""
    facts = [FORMAT, entry.identity, entry.name, setting.digest(), list(wanted), config.preprocessing, config.seed]
    facts += [devices.compute_dtype(config.precision).name, entry.pretraining]
    key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    path = config.out / "parts" / f"{hashlib.sha256(entry.name.encode()).hexdigest()[:16]}.json"
    if path.exists():
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            if kept["key"] == key:
                return kept["result"]
        except (ValueError, KeyError, TypeError):
            warnings.warn(f"{path} is damaged; {entry.name} is measured again", stacklevel=2)
    result = measure(entry, config, setting, wanted)
    write_text(path, json.dumps({"key": key, "result": result}) + "\n")
    return result


def _alike(
    results: Sequence[Mapping[str, Any]], entries: Sequence[Entry], config: ScreenConfig, setting: Setting
) -> dict[tuple[str, str], float]:
    """Returns the debiased CKA between the features of each pair of candidates."""
    if len(results) < 2:
        return {}
    kept = {each["name"] for each in results}
    rows = np.arange(len(setting.data))
    if len(rows) > COMPARED:
        rows = np.sort(np.random.default_rng(config.seed).choice(rows, COMPARED, replace=False))
    points = {}
    for entry in entries:
        if entry.name in kept:
            network = candidates.load(entry, config)
            found = extract(network, setting.data, batch_size=config.batch_size, cache_dir=config.cache_dir)
            points[entry.name] = isometric(found.pooled[rows]).astype(np.float32)  # CKA does not depend on rotations
    return {(one, other): float(debiased_cka(points[one], points[other])) for one, other in combinations(points, 2)}


def _cell(value: Any) -> Any:
    """Returns the text of a table's cell: nine digits for a number, and nothing for an unknown value."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    return f"{value:.9g}" if isinstance(value, float) else value
