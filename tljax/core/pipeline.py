"""Moves a data set from disk to the devices: all at once, or streamed in batches ahead of the computation."""

from collections.abc import Iterator

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Int, Shaped

from tljax.core.devices import replicated, spread

WORKERS = 8  # threads that read rows ahead; reading and copying release Python's global lock
AHEAD = 8  # batches that are read ahead, at least one per thread


def on_device(array: Shaped[np.ndarray, " n *_"], mesh: Mesh) -> Shaped[Array, " n *_"]:
    """Returns the whole array on every device."""
    return jax.make_array_from_callback(array.shape, replicated(mesh), lambda index: array[index])


def stream(
    images: Shaped[np.ndarray, " n *_"],
    labels: Int[np.ndarray, " n"],
    table: Int[np.ndarray, "steps slots"],
    mesh: Mesh,
) -> Iterator[tuple[Array, Array, Array]]:
    """Yields (images, labels, mask) on the devices, one batch per row of `table`, in which -1 marks padding.

    A batch depends only on its place in the table, so a resumed run gets the same batches as an uninterrupted one. Each
    process reads ahead, and only the rows of its own devices.
    """
    import grain

    share = table.shape[1] // jax.process_count()
    mine = slice(jax.process_index() * share, (jax.process_index() + 1) * share)

    def read(index: Int[np.ndarray, " m"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows = np.maximum(index, 0)
        return images[rows], labels[rows], index >= 0

    options = grain.ReadOptions(num_threads=WORKERS, prefetch_buffer_size=AHEAD)
    batches = iter(grain.MapDataset.source(list(table[:, mine])).map(read).to_iter_dataset(options))

    def place(batch: tuple[np.ndarray, np.ndarray, np.ndarray]) -> tuple[Array, Array, Array]:
        images, labels, mask = (jax.make_array_from_process_local_data(spread(mesh), part) for part in batch)
        return images, labels, mask

    ahead = None
    for batch in batches:
        current, ahead = ahead, place(batch)  # copied to the devices while the current batch is computed
        if current is not None:
            yield current
    if ahead is not None:
        yield ahead
