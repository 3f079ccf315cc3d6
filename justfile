# Commands for developers. `just check` runs what CI runs. It needs the Rust toolchain, a C compiler, npm and Node.js.

# List the recipes
default:
    @just --list --unsorted

# Check format, lints, docs and tests, exactly as CI does
check:
    .ci/run

# Run all tests
test *ARGS:
    cargo test --workspace --locked {{ ARGS }}

# Run all tests in a hostile environment, as CI does
test-hostile *ARGS:
    .ci/hostile cargo test --workspace --locked --offline {{ ARGS }}

# Run the stress tests, which take minutes: shutdowns under load, stalled uploads, many connections
stress *ARGS:
    cargo test --release --locked --test it -- --include-ignored stress {{ ARGS }}

# Run the lints, with warnings denied
clippy:
    cargo clippy --workspace --all-targets --locked -- --deny warnings
    cargo clippy --package clerk-mcp --lib --no-default-features --locked -- --deny warnings
    cargo clippy --package clerk-mcp --bins --locked -- --deny warnings

# Build the API docs, with warnings denied
doc:
    RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps --locked

# Format the code
fmt:
    cargo fmt --all

# Check the format
fmt-check:
    cargo fmt --all --check

# Review changed snapshots (needs cargo-insta)
snap *ARGS:
    cargo insta test --workspace --review {{ ARGS }}

# Evaluate, build and run all outputs of the flake (needs Nix)
nix *ARGS:
    if [ -x ../shared/nix/nix-verify.sh ]; then ../shared/nix/nix-verify.sh {{ ARGS }} .; else nix flake check {{ ARGS }}; fi

# Run the benchmarks, which print measurements without limits
bench *ARGS:
    cargo bench --locked {{ ARGS }}

# Count the instructions of requests and compare them with the budget; `--update` changes it (needs valgrind)
instructions *ARGS:
    cargo bench --workspace --locked --profile dev --bench instructions -- {{ ARGS }}

# Restart, kill and rotate under load: three servers behind HAProxy, without a failed call (needs haproxy)
replicas:
    cargo bench --locked --bench load -- replicas

# Attack a server with half-open connections, stalled bodies, too many connections and made-up tokens
abuse:
    cargo bench --locked --bench load -- abuse

# Run mixed load with outages and key rotations; memory, file descriptors, tasks and latency must stay flat
soak MINUTES="10":
    cargo bench --locked --bench load -- soak {{ MINUTES }}

# Fuzz one target, such as jose, for some seconds (needs nightly Rust and cargo-fuzz)
fuzz TARGET SECONDS="60":
    mkdir -p fuzz/corpus/{{ TARGET }}
    cargo +nightly fuzz run --sanitizer none {{ TARGET }} fuzz/corpus/{{ TARGET }} fuzz/seeds/{{ TARGET }} -- -max_total_time={{ SECONDS }} -timeout=10

# Check licenses, advisories, bans and sources of dependencies (needs cargo-deny and the network)
deny:
    cargo deny --config .deny.toml check

# Run the server with a local Clerk (no account or network needed)
demo *ARGS:
    cargo run --release --locked -- demo {{ ARGS }}

# Run the server, configured by the environment and .env
serve *ARGS:
    cargo run --release --locked -- serve {{ ARGS }}

# Write a server with `clerk-mcp init`, and compile and test it against this checkout
template:
    .ci/template

# Run only the local Clerk
clerk *ARGS:
    cargo run --release --locked --package clerk-mcp-conformance -- clerk {{ ARGS }}

# Run the conformance suite against this server
conformance *ARGS:
    .ci/conformance {{ ARGS }}

# Search everything that the server and the suite write for tokens, codes and keys (needs Node.js)
leaks:
    .ci/build
    node .ci/leaks.mjs

# Run the official MCP conformance checker against this server and the example `everything` and mcp-authlab (needs npm and Python)
mcp-conformance:
    .mcp-conformance/run
    .mcp-conformance/authlab

# Run the suite against other MCP libraries and write conformance/PEERS.md (needs npm, Python and the network)
peers *IDS:
    python3 conformance/peers/run.py {{ IDS }}

# Test the npm packages and the recipes for test suites of other languages (needs npm and Python)
recipes:
    conformance/recipes/run

# Test the server against its OpenAPI document with schemathesis (needs Python 3)
schemathesis *ARGS:
    .ci/schemathesis {{ ARGS }}

# Test the web pages in Chromium (needs npm and Chromium)
browser-tests *ARGS:
    .browser-tests/run {{ ARGS }}
