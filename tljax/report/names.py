"""How initialisations and settings are written for a reader."""

import re

_SHOWN = {"imagenet": "ImageNet", "radimagenet": "RadImageNet", "random": "random"}


def init_name(init: str) -> str:
    """`imagenet` as ImageNet; `chest-random`, trained on chest from random, as chest; anything else as it is."""
    base, colon, seed = init.partition(":")
    return _SHOWN.get(base, base.removesuffix("-random")) + colon + seed


def listed(names: list[str], conjunction: str = "and") -> str:
    """`a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {conjunction} {names[-1]}"


def signed(value: float) -> str:
    """A difference with its sign, three decimals, and a real minus."""
    return f"{value:+.3f}".replace("-", "−")


def plain(value: float) -> str:
    """A figure of three decimals with a real minus; a dash where it is undefined."""
    return "–" if value != value else f"{value:.3f}".replace("-", "−")


def p_value(p: float) -> str:
    """A p-value as journals print it."""
    return "–" if p != p else "< 0.001" if p < 0.001 else f"{p:.3f}"


def p_equals(p: float) -> str:
    """A p-value within a sentence: `p = 0.012`, `p < 0.001`."""
    return "p unknown" if p != p else f"p {p_value(p)}" if p < 0.001 else f"p = {p_value(p)}"


def probability(p: float) -> str:
    """A probability that is an estimate, and so never certain."""
    return "–" if p != p else "> 0.99" if p > 0.99 else "< 0.01" if p < 0.01 else f"{p:.2f}"


def file_stem(name: str, taken: set[str]) -> str:
    """A file name that any system takes, and that is not in `taken`, to which it is added."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:100] or "unnamed"
    unused, number = stem, 2
    while unused in taken:
        unused, number = f"{stem}-{number}", number + 1
    taken.add(unused)
    return unused
