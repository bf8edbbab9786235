"""How initialisations, conditions and numbers are written for a reader."""

import re
from collections.abc import Sequence

import numpy as np

from tljax.core.paper import INIT_NAMES
from tljax.report.analysis.conditions import Condition
from tljax.report.analysis.networks import ComparedNetwork, NetworkPair
from tljax.report.analysis.representations import Representations
from tljax.report.analysis.study import Task
from tljax.statistics.estimates import Estimate

NONE = "–"
TRAINED = {"all": "all layers", "head": "head only", "last10": "last 10 layers"}
"""What was trained, by the setting `train` of a run."""


def init_name(init: str) -> str:
    """Returns `imagenet` as ImageNet; `chest-random`, trained on chest from random, as chest; others as they are."""
    base, colon, seed = init.partition(":")
    return INIT_NAMES.get(base, base.removesuffix("-random")) + colon + seed


def init_phrase(init: str) -> str:
    """Returns the name of an initialisation within a sentence: `random initialisation`, `ImageNet`."""
    return "random initialisation" if init == "random" else init_name(init)


def init_start(init: str) -> str:
    """Returns the name of an initialisation for the start of a sentence; names given by the user are not changed."""
    return sentence(init_phrase(init)) if init == "random" else init_phrase(init)


def condition_name(condition: Condition, without: str = "") -> str:
    """Returns `all layers at once, paper preprocessing`.

    without: the setting of the condition that is left out.
    """
    trained = TRAINED.get(condition.train, condition.train)
    at_once = f"{trained} at once" if condition.train == "all" else trained
    parts = {
        "freeze": f"head first, then {trained}" if condition.freeze else at_once,
        "train": trained if without == "freeze" and condition.train != "all" else "",
        "preprocessing": f"{condition.preprocessing} preprocessing" if condition.preprocessing != "native" else "",
        "tag": condition.tag,
    }
    return ", ".join(part for setting, part in parts.items() if part and setting != without)


def network_name(network: ComparedNetwork) -> str:
    """Returns `ImageNet`, or `ImageNet (fine-tuned)`."""
    tuned = f" (fine-tuned{', head first' * network.freeze})" if network.tuned else ""
    return init_name(network.init) + tuned


def pair_name(pair: NetworkPair) -> str:
    """Returns the names of both networks."""
    return f"{network_name(pair.first)} – {network_name(pair.second)}"


def compared_condition(found: Representations) -> str:
    """Returns the condition of compared representations if the task has others; otherwise nothing."""
    preprocessing = [f"{found.preprocessing} preprocessing"] * bool(found.other_preprocessings)
    return ", ".join([*preprocessing, *[found.recipe] * bool(found.recipe)])


def task_size(task: Task) -> str:
    """Returns `780 images of 600 patients, 2 classes`."""
    facts = task.facts
    people = f" of {facts.units:,} {facts.unit}" if facts.groups_known else f", {facts.group}s not known"
    return f"{facts.images:,} images{people}, {len(facts.classes)} classes"


def lowest_seed(tasks: Sequence[Task]) -> str:
    """Returns a sentence for results that use one seed per fold; nothing if there is only one seed."""
    return " Where a fold has several seeds, the lowest is used." if any(t.several_seeds for t in tasks) else ""


def listed(names: Sequence[str], conjunction: str = "and") -> str:
    """Returns `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {conjunction} {names[-1]}"


def sentence(text: str) -> str:
    """Returns the text with a capital first letter."""
    return text[:1].upper() + text[1:]


def signed(value: float) -> str:
    """Returns a difference with its sign and three decimals; a dash if it is undefined."""
    return NONE if value != value else _typeset(f"{value:+.3f}")


def plain(value: float) -> str:
    """Returns a number with three decimals; a dash if it is undefined."""
    return NONE if value != value else _typeset(f"{value:.3f}")


def _typeset(number: str) -> str:
    """Returns a formatted number with a minus sign (U+2212); zero has no sign."""
    return number.replace("-", "−") if float(number) else number.lstrip("+-")


def mean_sd(values: Sequence[float]) -> str:
    """Returns `0.905 ± 0.038`; values that are undefined are left out."""
    known = [value for value in values if np.isfinite(value)]
    if not known:
        return NONE
    return plain(float(np.mean(known))) + (f" ± {plain(float(np.std(known, ddof=1)))}" if len(known) > 1 else "")


def interval(low: float, high: float) -> str:
    """Returns `0.85 to 0.93`, with three decimals."""
    return f"{plain(low)} to {plain(high)}" if np.isfinite(low) else NONE


def with_interval(estimate: Estimate) -> str:
    """Returns `95 % interval 0.850 to 0.930`, for a sentence."""
    return f"95 % interval {interval(estimate.low, estimate.high)}" if np.isfinite(estimate.low) else "interval unknown"


def p_value(p: float) -> str:
    """Returns a p-value as journals print it."""
    return NONE if p != p else "< 0.001" if p < 0.001 else f"{p:.3f}"


def p_equals(p: float) -> str:
    """Returns a p-value within a sentence: `p = 0.012`, `p < 0.001`."""
    return "p unknown" if p != p else f"p {p_value(p)}" if p < 0.001 else f"p = {p_value(p)}"


def probability(p: float) -> str:
    """Returns an estimated probability; values near 0 and 1 as `< 0.01` and `> 0.99`."""
    return NONE if p != p else "> 0.99" if p > 0.99 else "< 0.01" if p < 0.01 else f"{p:.2f}"


def file_stem(name: str, taken: set[str]) -> str:
    """Returns a file name that every system accepts and that is not in `taken`, and adds it to `taken`."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:100] or "unnamed"
    unused, number = stem, 2
    while unused in taken:
        unused, number = f"{stem}-{number}", number + 1
    taken.add(unused)
    return unused
