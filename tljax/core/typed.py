"""Checks the settings of config files and Python code against their type annotations, as tyro checks flags."""

import dataclasses
import typing
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import typeguard

from tljax.core.errors import UserError

T = TypeVar("T")


def typed(config: T, place: str = "") -> T:
    """Returns the config with text converted to Path, and lists to tuples, as the annotations say.

    Nested configs are included. place: text before the name of a setting in messages. Raises UserError for a value of
    another type.
    """
    given: Any = config
    settings = {field.name: getattr(given, field.name) for field in dataclasses.fields(given)}
    return dataclasses.replace(given, **typed_settings(type(given), settings, place))


def typed_settings(kind: type, settings: Mapping[str, Any], place: str = "") -> dict[str, Any]:
    """Converts and checks some settings of a config class, given by name. Unknown names are returned unchanged."""
    hints = _hints(kind)
    return {
        name: _typed_value(value, hints[name], f"{place}{name}") if name in hints else value
        for name, value in settings.items()
    }


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _typed_value(value: Any, hint: Any, name: str) -> Any:
    within = typing.get_args(hint)
    if isinstance(value, str) and (hint is Path or Path in within):
        value = Path(value)
    if isinstance(value, list) and typing.get_origin(hint) is tuple:
        value = tuple(value)
    if isinstance(value, tuple) and within and dataclasses.is_dataclass(within[0]):
        value = tuple(typed(one, f"{name}[{k}].") if type(one) is within[0] else one for k, one in enumerate(value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type) and type(value) is hint:
        return typed(value, f"{name}.")
    if isinstance(value, bool) and (hint in (int, float) or int in within):  # in Python, bool is a kind of int
        raise UserError(f"{name} is {value!r}; it must be {_shown(hint)}")
    try:
        return typeguard.check_type(value, hint, collection_check_strategy=typeguard.CollectionCheckStrategy.ALL_ITEMS)
    except typeguard.TypeCheckError:
        raise UserError(f"{name} is {value!r}; it must be {_shown(hint)}") from None


def _shown(hint: Any) -> str:
    """Returns a type as text: `int`, `tuple[str, ...]`, `'native' | 'paper'`."""
    if typing.get_origin(hint) is typing.Literal:
        return " | ".join(map(repr, typing.get_args(hint)))
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint).replace("typing.", "")
