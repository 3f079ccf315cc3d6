//! The in-memory state of one local Clerk: users and organizations, OAuth clients and grants, credentials,
//! keys, active faults and the request log.

pub(crate) mod bounded_map;
pub(crate) mod credentials;
pub(crate) mod directory;
pub(crate) mod endpoint;
pub(crate) mod faults;
pub(crate) mod grants;
pub(crate) mod ids;
pub(crate) mod instance;
pub(crate) mod keyring;
pub(crate) mod people;
pub(crate) mod rate_limit;
pub(crate) mod request_log;
pub(crate) mod samples;
pub(crate) mod scope;
pub(crate) mod settings;
pub(crate) mod state_file;
