//! A progress line on the terminal.

use clerk_mcp_conformance::{results::Outcome, runner::Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A progress line. Dropping it clears the line.
pub(crate) struct ProgressLine(ProgressBar);

impl ProgressLine {
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        set_template(&bar, "{msg}");
        bar.set_message("starting the target");
        bar.tick();
        Self(bar)
    }
}

impl Progress for ProgressLine {
    fn started(&self, cases: usize) {
        self.0.set_length(u64::try_from(cases).unwrap_or(u64::MAX));
        self.0.set_message("");
        set_template(&self.0, "{pos:>4} of {len} {wide_bar} {msg}");
        self.0.tick();
    }

    fn finished(&self, id: &str, outcome: Outcome) {
        if outcome.is_failure() {
            self.0.println(format!("{}: {id}", outcome.describe()));
        }
        self.0.set_message(id.to_owned());
        self.0.inc(1);
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn set_template(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}
