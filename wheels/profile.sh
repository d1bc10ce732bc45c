#!/bin/sh
# Prints where a profile of the engine at work is, made now: an instrumented build runs the workloads of the benches, drawn
# from another seed than theirs. NDJSON in memory has the weight it has in the benches; the bus, snapshots and columns run
# tiny, so that the compiler does not take them for code that never runs.
set -eu
cd "$(dirname "$0")/.."
profdata=$(sh wheels/profdata.sh)
host=$(rustc -vV | sed -n 's/^host: //p')
folder=$PWD/target/profile
rm -rf "$folder/raw" "$folder/wheel" "$folder/package" "$folder/results"

# With a target, build scripts and macros stay uninstrumented.
RUSTFLAGS="-Cprofile-generate=$folder/raw" .venv/bin/maturin build --quiet --release --locked --target "$host" \
    --target-dir "$folder" --out "$folder/wheel" >&2
.venv/bin/python -m pip install --quiet --no-deps --target "$folder/package" "$folder"/wheel/*.whl >&2
train() {
    PYTHONPATH=$folder/package .venv/bin/python -m benches "$@" --seed 2 --results "$folder/results" >>"$folder/training.log"
}
rm -f "$folder/training.log"
train in-process --only engine-peak --events 300000 --repeat 1
train in-process growth bus --tiny

$profdata merge --output "$folder/merged.profdata" "$folder/raw" >&2
echo "$folder/merged.profdata"
