//! Measures how long a local Clerk takes to start (without key generation) and to mint a token.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use local_clerk::{Authority, LocalClerk, LocalClerkBuilder, mint::SigningKey};
use tokio::runtime::{Builder, Runtime};

#[expect(clippy::expect_used, reason = "a benchmark cannot continue without a runtime")]
fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the runtime starts")
}

#[expect(
    clippy::expect_used,
    reason = "a benchmark cannot continue without a local Clerk"
)]
fn started(runtime: &Runtime, builder: LocalClerkBuilder) -> LocalClerk {
    runtime.block_on(builder.start()).expect("the local Clerk starts")
}

fn start(criterion: &mut Criterion) {
    let runtime = runtime();
    let key = SigningKey::generate("ins_bench");
    criterion.bench_function("start, http", |bencher| {
        bencher.iter(|| started(&runtime, LocalClerk::builder().signing_key(key.clone())));
    });
    criterion.bench_function("start, https with its own certificate authority", |bencher| {
        bencher.iter(|| {
            let builder = LocalClerk::builder().signing_key(key.clone());
            let builder = match Authority::generate() {
                Ok(authority) => builder.https(&authority),
                Err(_) => builder,
            };
            started(&runtime, builder)
        });
    });
}

fn mint(criterion: &mut Criterion) {
    let clerk = started(&runtime(), LocalClerk::builder());
    criterion.bench_function("mint a session token", |bencher| {
        bencher.iter(|| {
            clerk
                .session_token_in(black_box("Ada"), "analytical-engines")
                .map(|recipe| recipe.mint())
        });
    });
    criterion.bench_function("mint an OAuth access token", |bencher| {
        bencher.iter(|| {
            clerk
                .oauth_token(black_box("Ada"), "client", &["profile", "email"], None)
                .map(|recipe| recipe.mint())
        });
    });
}

criterion_group!(benches, start, mint);
criterion_main!(benches);
