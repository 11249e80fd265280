#!/bin/sh
# Writes what follows from the programs' registries of settings: the variables that a shim hands over, the README's table,
# the schema of the TOML file, and the list of secrets that no child program gets. Run it after a change to a
# settings.rs; a test tells if it was forgotten.
set -eu
cd "$(dirname -- "$0")/.."
# The list of secrets is compiled into the programs: it is written first, the rest follows from what is built then.
for run in 1 2; do
  GENERATE=$run cargo test --quiet --package tests --test e2e_generated -- --test-threads 1
done
GENERATE=1 cargo test --quiet --package tests --test e2e_schema the_schema_is
cargo fmt --all
git diff --stat -- scripts README.md common hooks/estate
