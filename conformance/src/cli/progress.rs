//! A line on the terminal that says how far the run is.

use clerk_mcp_conformance::{results::Outcome, runner::Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The line; it is gone when this is dropped.
pub(crate) struct Line(ProgressBar);

impl Line {
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        show(&bar, "{msg}");
        bar.set_message("starting the target");
        bar.tick();
        Self(bar)
    }
}

impl Progress for Line {
    fn started(&self, cases: usize) {
        self.0.set_length(u64::try_from(cases).unwrap_or(u64::MAX));
        self.0.set_message("");
        show(&self.0, "{pos:>4} of {len} {wide_bar} {msg}");
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

impl Drop for Line {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn show(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}
