"""Compares the names of classes and patients: which names are the same, and which mean that nothing is known.

The same rule applies to labels, patients and fold lists.
"""

import re
import unicodedata
from collections.abc import Iterable
from decimal import Context, Decimal
from functools import lru_cache

MISSING = frozenset({"", "-", "?", "na", "n/a", "#n/a", "<na>", "nan", "nat", "null"})
"""Entries of tables that mean unknown, as `comparable` writes them."""
UNKNOWN_PATIENT = MISSING | {"none", "unknown"}
"""Further such entries for patients; a class may have such a name."""

_DASHES, _QUOTES, _CYRILLIC = "\u2010\u2011\u2012\u2013\u2014\u2212", "\u2018\u2019\u02bc", "аеорсухіјѕ"
_LIKE = str.maketrans(_DASHES + _QUOTES + _CYRILLIC, "-" * len(_DASHES) + "'" * len(_QUOTES) + "aeopcyxijs")
"""Dashes and apostrophes that word processors exchange, and Cyrillic letters that look like Latin ones."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)")  # no exponent: `12e5` and `0e77` may be parts of hashes
_SEVERAL = re.compile(r"\s*[|;,/+&]\s*")


@lru_cache(maxsize=65_536)
def comparable(name: str) -> str:
    """Returns a name as names are compared.

    Case, outer and repeated spaces, invisible characters, the ways in which Unicode stores one letter, letters and
    dashes that look the same, and the ways in which one number is written (`1`, `01`, `1.0`) make no difference.
    """
    text = unicodedata.normalize("NFKC", name)
    text = "".join(letter for letter in text if unicodedata.category(letter) not in ("Cf", "Cc") or letter.isspace())
    text = unicodedata.normalize("NFKC", " ".join(text.split()).casefold()).translate(_LIKE)
    if not _NUMBER.fullmatch(text):
        return text
    return f"{Decimal(text).normalize(Context(prec=len(text))):f}"  # with all digits of a long number


def first_clash(names: Iterable[str]) -> tuple[str, str] | None:
    """Returns the first two different names that are the same by `comparable`; None if all differ."""
    seen: dict[str, str] = {}
    for name in sorted(set(names)):
        if (other := seen.setdefault(comparable(name), name)) != name:
            return other, name
    return None


def how_they_differ(one: str, other: str) -> str:
    """Says in which of the ignored ways two names differ."""
    if one.casefold() == other.casefold():
        return "case"
    if _NUMBER.fullmatch(one.strip()) and _NUMBER.fullmatch(other.strip()):
        return "how a number is written"
    return "spaces, in invisible characters or in how letters and dashes are stored"


def several_in_one(labels: Iterable[str]) -> str | None:
    """Returns a label that looks like several, such as `Edema|Effusion`; else None."""
    known = {comparable(label) for label in labels}
    for label in sorted(set(labels)):
        parts = [comparable(part) for part in _SEVERAL.split(label)]
        if len(parts) > 1 and ("|" in label or (all(parts) and any(part in known for part in parts))):
            return label
    return None
