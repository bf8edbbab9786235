"""Reads only the tensors of a PyTorch file that also holds objects: a pickled network, a path, an optimizer, a date.

Inert objects replace these, so that none of their code is imported or run.
"""

import collections
import pickle
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tljax.core.errors import UserError

NO_CODE = "whose code was not run"
SAVE_ARRAYS = "save the arrays by name: safetensors.numpy.save_file({name: array}, 'weights.safetensors')"

NETWORKS = (  # libraries whose networks are read
    *("torch.nn.modules.", "torch.nn.parallel.", "torchvision.models.", "torchvision.ops.", "torchxrayvision.models."),
    *("timm.", "transformers.", "open_clip.", "monai.networks.", "segmentation_models_pytorch."),
)
OBJECTS = (  # parts of these networks, and objects that training code pickles next to tensors
    *("torch.nn.", "torch._C._nn.", "torch.optim.", "numpy.", "functools.partial", "pathlib.", "datetime."),
    "_codecs.encode",  # for the bytes of arrays and dates
    *("lightning.", "lightning_fabric.", "pytorch_lightning.", "omegaconf."),
)
INERT = (*NETWORKS, *OBJECTS)
KINDS = {
    "builtins": (set, slice, list, dict, int, float),
    "__builtin__": (set, slice, list, dict, int, float),
    "collections": (collections.OrderedDict, collections.defaultdict, collections.deque, collections.Counter),
}
PLAIN = {f"{module}.{kind.__name__}": kind for module, kinds in KINDS.items() for kind in kinds}
REBUILDING = ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter")  # functions of torch._utils


def is_known(name: str) -> bool:
    """Returns whether objects of a class, given by its full name, can be replaced by inert or plain objects."""
    return name.startswith(INERT) or name in PLAIN


def read_with_objects(path: Path) -> tuple[Any, tuple[str, ...]]:
    """Returns the content of a file, with each network replaced by its tensors by name, and remarks.

    Raises pickle.UnpicklingError for a file that needs other objects, and UserError for a file of NumPy arrays.
    """
    import torch

    classes: dict[str, Any] = {}
    content = torch.load(path, map_location="cpu", weights_only=False, pickle_module=_pickle_module(classes))
    if _is_network(content):
        return dict(_tensors(content, "")), (f"the tensors of a whole pickled {content.name}, {NO_CODE}",)
    if isinstance(content, Mapping):
        if content and all(getattr(value, "name", "").startswith("numpy.") for value in content.values()):
            raise UserError(f"{path} holds NumPy arrays instead of tensors; {SAVE_ARRAYS}")
        networks = {key: value for key, value in content.items() if _is_network(value)}
        tables = {key: dict(_tensors(network, "")) for key, network in networks.items()}
        kinds = sorted({network.name for network in networks.values()})
        wholes = [f"the tensors of a whole pickled {kind}, {NO_CODE}" for kind in kinds]
        others = sorted({name.split(".")[0] for name in classes} - {"_codecs"})
        return dict(content) | tables, tuple(wholes) or (f"objects of {', '.join(others)} left out, {NO_CODE}",)
    return content, ()


def _is_network(value: Any) -> bool:
    return isinstance(value, _Inert) and "_modules" in vars(value)


def _tensors(module: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    passing = vars(module).get("_non_persistent_buffers_set", ())
    for kind in ("_parameters", "_buffers"):
        for name, tensor in vars(module).get(kind, {}).items():
            if tensor is not None and name not in passing:
                yield prefix + name, tensor
    for name, child in vars(module).get("_modules", {}).items():
        if child is not None:
            yield from _tensors(child, f"{prefix}{name}.")


def _pickle_module(classes: dict[str, Any]) -> Any:
    """Returns a pickle module for torch.load, which replaces all objects but tensors and plain values by inert ones.

    classes: a dictionary to which the inert classes are added by name.
    """
    import torch
    from torch import _utils

    plain = {"torch.Size": torch.Size, "torch.device": torch.device, **PLAIN}
    plain |= {f"torch._utils.{name}": partial(getattr(_utils, name)) for name in REBUILDING}

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            whole = f"{module}.{name}"
            if whole in plain:
                return plain[whole]
            if not whole.startswith(INERT):
                raise pickle.UnpicklingError(f"GLOBAL {whole}")
            return classes.setdefault(whole, type(name, (_Inert,), {"name": whole}))

    def load(file: Any, **options: Any) -> Any:
        return Unpickler(file, **options).load()

    return SimpleNamespace(Unpickler=Unpickler, load=load, __name__="tljax")


class _Inert:
    """An object that accepts any arguments and members, and keeps only its state."""

    dump_patches = False  # torch reads this attribute for old files
    name = ""

    def __new__(cls, *_: Any, **__: Any) -> "_Inert":
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            vars(self).update(state)

    def __setitem__(self, key: Any, value: Any) -> None:
        """Ignores a member of an object that was a dict."""

    def append(self, value: Any) -> None:
        """Ignores a member of an object that was a list."""

    def extend(self, values: Any) -> None:
        """Ignores members of an object that was a list."""
