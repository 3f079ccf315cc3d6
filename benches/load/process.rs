//! Runs the program under test, and measures it from outside.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use local_clerk::LocalClerk;
use rustix::process::{Pid, Signal, kill_process};
use tokio::net::TcpListener;

const READY_WITHIN: Duration = Duration::from_secs(20);

/// The folder with everything that a run of this name writes. Empty at the start of the run.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join("../load")
        .join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

pub(crate) async fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

/// A process, which is killed when dropped.
pub(crate) struct Process(Child);

impl Process {
    /// Starts `command`, and appends its output to a file.
    pub(crate) fn start(command: &mut Command, log: &PathBuf) -> Self {
        let log = File::options().create(true).append(true).open(log).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        Self(child)
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Sends SIGTERM, as an orchestrator does, and waits until the process has ended.
    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn proc(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.0.id()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A server under test.
pub(crate) struct Server {
    process: Process,
    environment: Vec<(&'static str, String)>,
    pub(crate) address: SocketAddr,
    admin: SocketAddr,
    folder: PathBuf,
    name: String,
}

impl Server {
    /// Starts `clerk-mcp serve` with its output and metrics in `folder`, and waits until it is ready. Without
    /// `base_url`, clients call the server directly.
    pub(crate) async fn start(
        name: &str,
        folder: &PathBuf,
        clerk: &LocalClerk,
        base_url: Option<&str>,
        variables: &[(&'static str, &str)],
    ) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port().await));
        let admin = SocketAddr::from(([127, 0, 0, 1], free_port().await));
        let base_url = base_url.map_or_else(|| format!("http://{address}"), str::to_owned);
        let mut environment = clerk.environment();
        environment.extend([
            ("PORT", address.port().to_string()),
            ("ADMIN_ADDR", admin.to_string()),
            ("BASE_URL", base_url),
        ]);
        environment.extend(variables.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let mut server = Self {
            process: Self::spawn(&environment, folder, name),
            environment,
            address,
            admin,
            folder: folder.clone(),
            name: name.to_owned(),
        };
        server.until_ready().await;
        server
    }

    fn spawn(environment: &[(&'static str, String)], folder: &PathBuf, name: &str) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_clerk-mcp"));
        command
            .arg("serve")
            .env_clear()
            .current_dir(folder)
            .envs(environment.iter().map(|(name, value)| (name, value)));
        Process::start(&mut command, &folder.join(format!("{name}.log")))
    }

    async fn until_ready(&mut self) {
        let ready = async {
            while !self
                .admin("readyz")
                .await
                .is_ok_and(|response| response.status().is_success())
            {
                assert!(
                    self.process.0.try_wait().unwrap().is_none(),
                    "{} ended: see its log",
                    self.name
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        // The future borrows the process, so the result is looked at after it.
        let outcome = tokio::time::timeout(READY_WITHIN, ready).await;
        assert!(
            outcome.is_ok(),
            "{} was not ready within {READY_WITHIN:?}",
            self.name
        );
    }

    /// Starts the server again, at the same address.
    pub(crate) async fn start_again(&mut self) {
        self.process = Self::spawn(&self.environment, &self.folder, &self.name);
        self.until_ready().await;
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        self.process.terminate().await
    }

    async fn admin(&self, path: &str) -> reqwest::Result<reqwest::Response> {
        reqwest::get(format!("http://{}/{path}", self.admin)).await
    }

    /// Returns the metrics, and appends them to a file.
    pub(crate) async fn metrics(&self) -> String {
        use std::io::Write as _;

        let text = self.admin("metrics").await.unwrap().text().await.unwrap();
        let file = self.folder.join(format!("{}.metrics", self.name));
        let mut file = File::options().create(true).append(true).open(file).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        text
    }

    /// Measures the process.
    pub(crate) async fn measure(&self) -> Measurement {
        let status = fs::read_to_string(self.process.proc("status")).unwrap();
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes: f64 = memory.unwrap().trim().trim_end_matches(" kB").parse().unwrap();
        let metrics = self.metrics().await;
        let tasks = metrics
            .lines()
            .find_map(|line| line.strip_prefix("clerk_mcp_tasks "));
        Measurement {
            megabytes: kilobytes / 1024.0,
            descriptors: fs::read_dir(self.process.proc("fd")).unwrap().count(),
            tasks: tasks.expect("the metric clerk_mcp_tasks").parse().unwrap(),
        }
    }
}

/// What the server uses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measurement {
    pub(crate) megabytes: f64,
    pub(crate) descriptors: usize,
    pub(crate) tasks: usize,
}
