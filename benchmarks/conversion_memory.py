"""Memory peak of converting a weights file: `python benchmarks/conversion_memory.py FILE`.

Measured on 2 cores with torchvision's ResNet50 (100 MB): 0.97 GB, half of it the imports of JAX and PyTorch;
1.09 GB with --verify, which holds the original network too.
"""

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

TOOL = Path(__file__).resolve().parents[1] / "tools" / "convert_weights.py"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(TOOL), sys.argv[1], "--out", str(Path(folder) / "weights"), *sys.argv[2:]]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    unit = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, KiB on Linux
    print(f"{resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
