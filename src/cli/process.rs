//! Raises the limit of open files of the process.

use crate::config::Limits;

/// Raises the limit of open files, and lowers `max_connections` if the limit stays too small for it. A
/// quarter of the limit is left for requests to Clerk, the log and other files: without it, connections that
/// only wait would make every tool fail.
pub(super) fn fit_connections(limits: &mut Limits) {
    #[cfg(not(unix))]
    let _ = limits;
    #[cfg(unix)]
    {
        let wanted = u64::try_from(limits.max_connections).unwrap_or(u64::MAX);
        let wanted_files = wanted.saturating_mul(4).div_ceil(3);
        let files = match rlimit::getrlimit(rlimit::Resource::NOFILE) {
            Ok((files, _)) if files >= wanted_files => return,
            Ok((files, _)) => rlimit::increase_nofile_limit(wanted_files).unwrap_or(files),
            Err(error) => {
                tracing::warn!(%error, "cannot read the limit of open files");
                return;
            }
        };
        let fitting = files.saturating_mul(3) / 4;
        if fitting < wanted {
            limits.max_connections = usize::try_from(fitting).unwrap_or(usize::MAX).max(1);
            tracing::warn!(
                open_files = files,
                max_connections = limits.max_connections,
                "MAX_CONNECTIONS is lowered from {wanted} to {fitting}, because this process may open only {files} files. Raise the \
                 limit (ulimit -n, LimitNOFILE=) to {wanted_files}, or lower MAX_CONNECTIONS"
            );
        }
    }
}
