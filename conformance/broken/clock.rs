//! The system clock.

/// Returns the time in milliseconds since 1970.
pub(crate) fn now_milliseconds() -> i64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "this test server always uses the system clock"
    )]
    jiff::Timestamp::now().as_millisecond()
}
