#!/usr/bin/env bash
# Measures a GPU in one go, in under nine minutes:
#
#   benchmarks/gpu.sh OUT           # on a machine with a GPU
#   benchmarks/gpu.sh OUT --toy     # the same steps at sizes that a CPU computes in seconds
#   STEPS="training study" CASES=224x16 benchmarks/gpu.sh OUT      # some of the steps, and of training some cases
#
# Every step writes its findings to OUT/gpu.md and OUT/gpu.json as soon as it has them, and its log to OUT/gpu.log.
# A step that fails, or that runs out of its time, does not stop the next one. The most important steps come first. Those
# for which no time is left are named, for a second call with STEPS.
# Real images are read from .gpu/ (breast/, folds/, imagenet_resnet50.pth, cca_core.py) or in $TLJAX_GPU_DATA;
# without them the steps use generated images.
set -u
[ $# -ge 1 ] || { sed -n '2,12p' "$0"; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd); toy=${2:-}
cd "$(dirname "$0")/.." || exit 1
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
export TLJAX_CACHE=${TLJAX_CACHE:-/tmp/tljax-gpu}
export JAX_COMPILATION_CACHE_DIR=${JAX_COMPILATION_CACHE_DIR:-$TLJAX_CACHE/xla} JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=1
export XLA_PYTHON_CLIENT_PREALLOCATE=${XLA_PYTHON_CLIENT_PREALLOCATE:-false}   # two frameworks share the chip
python=${PYTHON:-python3}
only=${STEPS:-smoke training repeat profile comparison study packing families}
declare -A limit=([smoke]=40 [training]=200 [repeat]=100 [profile]=45 [comparison]=110 [study]=180 [packing]=150 [families]=150)
budget=${BUDGET:-535}   # seconds of all steps together
[ -z "$toy" ] || for step in "${!limit[@]}"; do limit[$step]=600; done   # a CPU may be busy with other work
[ -z "$toy" ] || budget=${BUDGET:-4800}

printf '# GPU measurements, %s\n' "$(date -u +%F)" >"$out/gpu.md"
rm -f "$out/gpu.json" "$out/gpu.log"
began=$SECONDS failed=0
for step in $only; do
  printf '\n=== %s\n' "$step" >>"$out/gpu.log"
  left=$((budget - SECONDS + began)) seconds=${limit[$step]:-60}
  [ "$seconds" -le "$left" ] || seconds=$left
  if [ "$seconds" -lt 15 ]; then
    printf '\n## %s\n\n* not measured: the time was over\n' "$step" >>"$out/gpu.md"
    continue
  fi
  timeout --kill-after=5 "$seconds" "$python" -m "benchmarks.gpu.$step" --out "$out" $toy >>"$out/gpu.log" 2>&1
  code=$?
  case $code in
    0) ;;
    124 | 137) printf '* %s: stopped after %s s; what stands above was measured before\n' "$step" "$seconds" >>"$out/gpu.md"; failed=1 ;;
    *) printf '* %s: failed (exit code %s); see gpu.log\n' "$step" "$code" >>"$out/gpu.md"; failed=1 ;;
  esac
done
printf '\n%s s in all\n' "$((SECONDS - began))" >>"$out/gpu.md"
cat "$out/gpu.md"
exit $failed
