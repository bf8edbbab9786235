"""Step 4: a profile of the training step: its ten slowest kernels, and the memory of the compiled program."""

import gzip
import json
import tempfile
from collections import Counter
from pathlib import Path

import jax

from benchmarks.gpu.ours import make
from benchmarks.gpu.record import Record, arguments

STEPS, SHOWN = 10, 10


def main() -> None:
    options = arguments(__doc__)
    record = Record(options.out, "profile")
    backbone, size, batch = ("resnet_tiny", 32, 8) if options.toy else ("resnet50", 224, 128)
    ours = make(backbone, "torch_v1.5", batch, size, batch, True)
    memory = ours.compiled().memory_analysis()
    if memory is not None:
        kinds = ("argument", "output", "temp", "alias")
        sizes = {kind: getattr(memory, f"{kind}_size_in_bytes", 0) for kind in kinds}
        record.say(
            f"memory of the step's program: {', '.join(f'{k} {v / 1e9:.2f} GB' for k, v in sizes.items())}", **sizes
        )
    ours.step()
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            for _ in range(STEPS):
                ours.step()
        spent = _kernels(Path(folder))
    total = sum(spent.values())
    lines = [
        f"{seconds / total:6.1%}  {seconds / STEPS * 1e3:8.3f} ms  {name}" for name, seconds in spent.most_common()
    ]
    (options.out / "profile.txt").write_text("share, time per step, kernel\n" + "\n".join(lines) + "\n")
    record.say(f"{len(spent)} kernels take {total / STEPS * 1e3:.2f} ms per step; the slowest:")
    for line in lines[:SHOWN]:
        record.say(f"`{line[:160]}`")


def _kernels(folder: Path) -> Counter[str]:
    """Returns the seconds by kernel: events of the device, or on a CPU those of the threads that compute."""
    spent: Counter[str] = Counter()
    for path in folder.rglob("*.trace.json.gz"):
        events = json.loads(gzip.decompress(path.read_bytes()))["traceEvents"]
        names = {e["pid"]: e["args"]["name"] for e in events if e.get("name") == "process_name"}
        lanes = {(e["pid"], e["tid"]): e["args"]["name"] for e in events if e.get("name") == "thread_name"}
        for event in events:
            lane = lanes.get((event.get("pid"), event.get("tid")), "")
            on_device = "/device:GPU" in names.get(event.get("pid"), "") and lane.startswith("Stream")
            on_host = "XLA" in lane or "Eigen" in lane or "xla" in lane
            if event.get("ph") == "X" and (on_device or (on_host and jax.default_backend() == "cpu")):
                spent[event["name"]] += event["dur"] / 1e6
    return spent


if __name__ == "__main__":
    main()
