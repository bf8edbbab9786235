"""benchmarks/gpu.sh: a step at toy size, its limits, and that a failing step does not stop the next.

`make gpu-toy` runs every step.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def run(out: Path, steps: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHON": sys.executable, "STEPS": steps, "JAX_PLATFORMS": "cpu"}
    command = ["bash", "benchmarks/gpu.sh", str(out), "--toy"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_every_step_has_a_time_limit_and_a_file():
    text = (ROOT / "benchmarks" / "gpu.sh").read_text()
    steps = text.partition("STEPS:-")[2].partition("}")[0].split()
    assert len(steps) == 8 and all(f"[{step}]=" in text for step in steps)
    assert all((ROOT / "benchmarks" / "gpu" / f"{step}.py").is_file() for step in steps)


def test_steps_for_which_no_time_is_left_are_named(tmp_path):
    environment = os.environ | {"STEPS": "smoke study", "BUDGET": "0"}
    subprocess.run(["bash", "benchmarks/gpu.sh", str(tmp_path)], cwd=ROOT, env=environment, check=True)
    assert (tmp_path / "gpu.md").read_text().count("not measured: the time was over") == 2


def test_steps_write_their_findings_and_a_failed_one_does_not_stop_the_next(tmp_path):
    done = run(tmp_path, "no_such_step smoke")
    assert done.returncode == 1  # the first one failed
    text = (tmp_path / "gpu.md").read_text()
    assert "no_such_step: failed" in text and "float32 differs from the CPU by" in text
    findings = json.loads((tmp_path / "gpu.json").read_text())
    assert findings[-1]["step"] == "smoke" and findings[-1]["float32"] < 1e-5 < findings[-1]["bfloat16"]
