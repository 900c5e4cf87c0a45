#!/usr/bin/env bash
# A world on a machine that is lent for minutes, without network: installs, records, trains, packages, leaves results.
#
#   bash training/lease.sh WORLD MINUTES WHEELS OUT [BEFORE]
#
# WORLD: one, which ends as a package that was judged in short, or several by commas, which end as a base.
# WHEELS: folder of all wheels that the machine lacks beside PyTorch (docs/training.md says how to fill it).
# LEASE_REFINE: stages after the world model, as `training.run --refine` takes them.
# OUT: what to take home: checkpoints, TensorBoard logs, speed.json, power.csv where there is nvidia-smi, and the package
# (fp16 weights, card, strip) or the base. BEFORE: the OUT of the last time; training goes on from there.
# Exit status: 0, 2 bad input, 124 time was up before the package was judged; what there was is in OUT.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "error: $1" >&2; exit 2; }
[[ $# -ge 4 ]] || fail "expected WORLD MINUTES WHEELS OUT [BEFORE], got $# arguments."
world=$1 minutes=$2 wheels=$3 out=$4 before=${5:-}
[[ $minutes =~ ^[0-9]+$ && $minutes -ge 1 ]] || fail "MINUTES: expected a whole number from 1, got '$minutes'."
[[ -d $wheels ]] || fail "WHEELS: expected a folder, got '$wheels'."
[[ -z $before || -d $before/data ]] || fail "BEFORE: expected the results of an earlier lease, got '$before'."
python=${PYTHON:-python3}
"$python" -c "import torch" 2>/dev/null || fail "expected $python with PyTorch, got one without. Set PYTHON."

begin=$SECONDS
packages=$PWD/.cache/lease-packages data=.data/lease/$world
mkdir -p "$out" "$data"
if [[ ! -d $packages ]]; then
  rm -rf "$packages.partial"
  "$python" -m pip install --quiet --no-index --no-deps --target "$packages.partial" "$wheels"/*
  mv "$packages.partial" "$packages"
fi
export PYTHONPATH=$packages:$PWD:$PWD/python SDL_VIDEODRIVER=dummy
[[ -z $before ]] || cp -r "$before/data/." "$data/"

if command -v nvidia-smi >/dev/null; then
  nvidia-smi --query-gpu=timestamp,power.draw,utilization.gpu --format=csv --loop=5 >"$out/power.csv" &
  trap 'kill %1' EXIT
fi
[[ -f $out/speed.json || ${LEASE_TINY:-} ]] || "$python" -m training.judge.throughput | tail -1 >"$out/speed.json"

# A fifth of the time is for the package and its short evaluation, half a minute for a base's file.
spent=$(((SECONDS - begin + 59) / 60))
case $world in
  *,*) what=(--base "$world" --out "$out/base") after=1 ;;
  *) what=(--world "$world" --out "$out/worlds/$world") after=$(((minutes + 4) / 5)) ;;
esac
train=$((minutes - spent - after))
((train >= 1)) || train=1
left=$((60 * minutes - (SECONDS - begin) - 20))
status=0
timeout $((left > 60 ? left : 60)) "$python" -m training.run "${what[@]}" --data "$data" \
  --minutes "$train" ${LEASE_REFINE:+--refine "$LEASE_REFINE"} ${LEASE_TINY:+--tiny} || status=$?

# What is worth taking home; recordings are made again.
mkdir -p "$out/data"
find "$data" -maxdepth 1 \( -name '*.pt' -o -name '*.pt.json' -o -name 'own-world.json' \) -exec cp {} "$out/data/" \;
[[ ! -d $data/logs ]] || cp -r "$data/logs" "$out/data/"
exit $status
