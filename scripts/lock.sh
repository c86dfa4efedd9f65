#!/bin/sh
# Write the locks with hashes that README, CI and containers install from. Needs uv.
set -eu
cd "$(dirname "$0")/.."
compile() {
    uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --no-header --no-annotate "$@"
}
compile --no-deps requirements/pip.in -o requirements/pip.txt
echo 'hatchling' | compile pyproject.toml - -o requirements/base.txt
echo 'hatchling' | compile --extra serve pyproject.toml - -c requirements/base.txt \
    -o requirements/serve.txt
compile --all-extras pyproject.toml requirements/dev.in -c requirements/serve.txt -o requirements/dev.txt
compile requirements/bench.in -c requirements/dev.txt -o requirements/bench.txt
uv pip compile -q --no-deps --python-version 3.12 --generate-hashes --no-emit-index-url \
    --no-header --no-annotate requirements/oracle.in -o requirements/oracle.txt
