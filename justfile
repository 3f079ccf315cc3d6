# What a developer runs. `just check` is what CI runs; nothing there needs more than the Rust toolchain and npm.

# List the recipes
default:
    @just --list --unsorted

# Format, lints, docs and tests: exactly what CI runs
check:
    .ci/run

# All tests
test *ARGS:
    cargo test --workspace --locked {{ ARGS }}

# Lints, with warnings denied
clippy:
    cargo clippy --workspace --all-targets --locked -- --deny warnings
    cargo clippy --package clerk-mcp --lib --no-default-features --locked -- --deny warnings

# API docs, with warnings denied
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

# The flake: all outputs, evaluated, built and run (needs Nix)
nix *ARGS:
    if [ -x ../shared/nix/nix-verify.sh ]; then ../shared/nix/nix-verify.sh {{ ARGS }} .; else nix flake check {{ ARGS }}; fi

# Measurements: they print figures, and judge nothing
bench *ARGS:
    cargo bench --locked {{ ARGS }}

# Licences, advisories and duplicate crates (needs cargo-deny and the network)
deny:
    cargo deny --config .deny.toml check

# The server beside a local Clerk: no account, no network
demo *ARGS:
    cargo run --release --locked -- demo {{ ARGS }}

# The server, configured by the environment and .env
serve *ARGS:
    cargo run --release --locked -- serve {{ ARGS }}

# The local Clerk alone
clerk *ARGS:
    cargo run --release --locked --package clerk-mcp-conformance -- clerk {{ ARGS }}

# The conformance suite against this server
conformance *ARGS:
    @echo "The conformance suite is not part of this version; there is only its local Clerk (just clerk)." >&2
    @exit 1

# The official MCP checker against this server and the example `everything` (needs npm)
mcp-conformance:
    .mcp-conformance/run
