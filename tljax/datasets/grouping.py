"""Groups images that stay in the same part of a fold: those of a patient and, on request, duplicates."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64

from tljax.datasets.dataset import Dataset
from tljax.datasets.duplicate_images import DuplicatePair


def patient_groups(dataset: Dataset) -> Int64[np.ndarray, " n"] | None:
    """Returns the patients as numbers, in the order of their names; None if they are unknown."""
    if dataset.patients is None:
        return None
    return np.unique(np.array(dataset.patients), return_inverse=True)[1].astype(np.int64)


def duplicate_groups(dataset: Dataset, pairs: Sequence[DuplicatePair]) -> Int64[np.ndarray, " n"]:
    """Returns groups that keep duplicates together, and patients if they are known.

    A group is a connected component of the graph whose edges are the duplicate pairs and "of the same patient".
    Groups are numbered by their first row.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = len(dataset)
    edges = [(pair.first, pair.second) for pair in pairs]
    if (patients := patient_groups(dataset)) is not None:
        _, first = np.unique(patients, return_index=True)
        edges += zip(first[patients].tolist(), range(count), strict=True)
    rows, columns = np.array(edges, np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(rows), bool), (rows, columns)), shape=(count, count))
    components = connected_components(graph, directed=False)[1]
    _, first, groups = np.unique(components, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[groups].astype(np.int64)
