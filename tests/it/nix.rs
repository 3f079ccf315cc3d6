//! Checks the NixOS module against the configuration. `.nix/tests/units.json` holds the units that the module
//! generates; a Nix check verifies that the file is up to date.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use clerk_mcp::config::{Config, VARIABLES, Variables};
use serde_json::Value;

/// The variables that systemd passes as a credential instead of in the environment.
const CREDENTIALS: [&str; 2] = ["CLERK_SECRET_KEY", "CLERK_SECRET_KEY_FILE"];

/// Returns the environment of a unit, with systemd's `%%` escapes resolved.
fn environment(unit: &str) -> HashMap<String, String> {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/.nix/tests/units.json")).unwrap();
    let units: Value = serde_json::from_str(&text).unwrap();
    units[unit]["service"]["environment"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().replace("%%", "%")))
        .collect()
}

#[test]
fn every_variable_has_a_module_option() {
    let mut environment = environment("everything");
    for variable in VARIABLES {
        let set = environment.remove(variable.name).is_some();
        assert_eq!(set, !CREDENTIALS.contains(&variable.name), "{}", variable.name);
    }
    assert!(
        environment.is_empty(),
        "the server does not know these variables: {environment:?}"
    );
}

#[test]
fn module_defaults_match_the_server_defaults() {
    let minimal = environment("minimal");
    for variable in VARIABLES {
        let is_required = ["CLERK_DOMAIN", "BASE_URL"].contains(&variable.name);
        if let Some(value) = minimal.get(variable.name).filter(|_| !is_required) {
            assert_eq!(value, variable.default, "{}", variable.name);
        }
    }
}

#[test]
fn server_accepts_the_configuration_of_each_unit() {
    for unit in ["minimal", "everything"] {
        let mut environment = environment(unit);
        let folder = credentials_folder(unit);
        fs::write(
            folder.join("CLERK_SECRET_KEY"),
            "sk_live_0000000000000000000000000000000000000000000\n",
        )
        .unwrap();
        environment.insert(
            "CREDENTIALS_DIRECTORY".to_owned(),
            folder.to_str().unwrap().to_owned(),
        );
        if let Some(file) = environment.remove("CLERK_CA_FILE") {
            // systemd replaces %d with the credentials directory.
            assert_eq!(file, "%d/ca.pem");
        }
        let variables =
            Variables::from_sources(&HashMap::new(), |name| environment.get(name).cloned(), None).unwrap();
        let config = Config::from_variables(&variables);
        fs::remove_dir_all(&folder).unwrap();
        assert!(config.is_ok(), "{unit}: {config:?}");
    }
}

/// Creates a folder for the credentials of one unit.
fn credentials_folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("nix-{name}"));
    fs::create_dir_all(&folder).unwrap();
    folder
}
