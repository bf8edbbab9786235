"""compare_worker.py OUT.csv [COORDINATOR PROCESS_ID]: compares two toy networks, alone or as one of two processes."""

import sys
from pathlib import Path

import jax
from toynets import network, pictures

from tljax.compare import compare
from tljax.compare.table import write_rows

out, *distributed = sys.argv[1:]
if distributed:
    jax.distributed.initialize(distributed[0], num_processes=2, process_id=int(distributed[1]))

nets, images = [network(seed, widths=(3, 3)) for seed in (0, 1)], pictures(41)
rows = compare(nets, images, measures=("cca", "debiased_cka"))
rows += compare(nets, images, measures=("cca",), protocol="paper")
write_rows(Path(out), rows, "toy", 1, "all")
