//! Starts the `clerk-mcp` binary.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
};

/// A valid minimal configuration.
pub const RIGHT: [(&str, &str); 3] = [
    ("CLERK_SECRET_KEY", "sk_test_x"),
    ("CLERK_DOMAIN", "great-fox-12.clerk.accounts.dev"),
    ("BASE_URL", "http://localhost:3001"),
];

/// Builds a command that runs the binary in `folder`, without the environment of the test runner.
pub fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clerk-mcp"));
    command.env_clear().current_dir(folder).stdin(Stdio::null());
    command
}

/// A temporary folder for one test, deleted when dropped.
pub struct Folder(pub PathBuf);

impl Folder {
    /// Creates a folder whose name starts with `name`.
    pub fn new(name: &str) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{name}-{}-{number}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes a file and returns its path.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::File::create(&path)
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running process, killed when dropped.
pub struct Running(pub Child);

impl Running {
    /// Starts `command` with captured output.
    pub fn start(command: &mut Command) -> Self {
        Self(
            command
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap(),
        )
    }

    /// Sends SIGTERM, as an orchestrator does, and returns the exit code.
    pub fn terminate(mut self) -> Option<i32> {
        let process = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
        self.0.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
