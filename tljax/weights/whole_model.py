"""Reads only the tensors of a PyTorch file that holds a complete pickled network.

Inert objects replace the network's modules, so that none of their code is imported or run.
"""

import collections
import pickle
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tljax.core.errors import UserError

NETWORKS = ("torch.nn.modules.", "torchvision.models.", "torchxrayvision.models.")  # whose modules are read
INERT = (*NETWORKS, "torch.nn.", "numpy.")  # allowed parts of such a network
PLAIN = {f"{module}.{kind.__name__}": kind for module in ("builtins", "__builtin__") for kind in (set, slice)}
REBUILDING = ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter")  # of torch._utils


def is_part(name: str) -> bool:
    """Returns whether a class, by its whole name, is a module of a known library."""
    return name.startswith(NETWORKS)


def read_whole_model(path: Path) -> tuple[dict[str, Any], str]:
    """Returns the network's parameters and buffers by name, and the name of its class.

    Raises pickle.UnpicklingError for a file that needs anything but parts of a network, and UserError for one that does
    not hold exactly one network.
    """
    import torch

    model = torch.load(path, map_location="cpu", weights_only=False, pickle_module=_pickle_module())
    name = getattr(type(model), "name", "")
    if not is_part(name) or "_modules" not in vars(model):
        raise UserError(f"{path} holds more than one network; save the one that you want alone")
    return dict(_tensors(model, "")), name


def _tensors(module: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for kind in ("_parameters", "_buffers"):
        for name, tensor in vars(module).get(kind, {}).items():
            if tensor is not None:
                yield prefix + name, tensor
    for name, child in vars(module).get("_modules", {}).items():
        if child is not None:
            yield from _tensors(child, f"{prefix}{name}.")


def _pickle_module() -> Any:
    """Returns a pickle module for torch.load that reads tensors and plain values, and makes all else inert."""
    import torch
    from torch import _utils

    known = {"collections.OrderedDict": collections.OrderedDict, "torch.Size": torch.Size, **PLAIN}
    known |= {f"torch._utils.{name}": partial(getattr(_utils, name)) for name in REBUILDING}

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            whole = f"{module}.{name}"
            if whole not in known and whole.startswith(INERT):
                known[whole] = type(name, (_Inert,), {"name": whole})
            if whole not in known:
                raise pickle.UnpicklingError(f"GLOBAL {whole}")
            return known[whole]

    def load(file: Any, **options: Any) -> Any:
        return Unpickler(file, **options).load()

    return SimpleNamespace(Unpickler=Unpickler, load=load, __name__="tljax")


class _Inert:
    """An object that takes any arguments and keeps only its state."""

    dump_patches = False  # torch asks the classes of old files
    name = ""

    def __new__(cls, *_: Any, **__: Any) -> "_Inert":
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            vars(self).update(state)
