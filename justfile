# Commands for developers. `just check` runs what CI runs and needs only the Rust toolchain and npm.

# List the recipes
default:
    @just --list --unsorted

# Check format, lints, docs and tests, exactly as CI does
check:
    .ci/run

# Run all tests
test *ARGS:
    cargo test --workspace --locked {{ ARGS }}

# Run the lints, with warnings denied
clippy:
    cargo clippy --workspace --all-targets --locked -- --deny warnings
    cargo clippy --package clerk-mcp --lib --no-default-features --locked -- --deny warnings

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

# Run the official MCP conformance checker against this server and the example `everything` (needs npm)
mcp-conformance:
    .mcp-conformance/run

# Test the web pages in Chromium (needs npm and Chromium)
browser-tests *ARGS:
    .browser-tests/run {{ ARGS }}
