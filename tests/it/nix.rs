//! The NixOS module against the configuration. `.nix/tests/units.json` holds what the module makes of its options; that
//! the module still makes it is checked where there is Nix.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use clerk_mcp::config::{Config, VARIABLES, Variables};
use serde_json::Value;

/// What systemd hands over as a credential.
const CREDENTIALS: [&str; 2] = ["CLERK_SECRET_KEY", "CLERK_SECRET_KEY_FILE"];

/// The environment of a unit, as systemd makes it.
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
fn every_variable_has_an_option() {
    let mut environment = environment("everything");
    for variable in VARIABLES {
        let set = environment.remove(variable.name).is_some();
        assert_eq!(set, !CREDENTIALS.contains(&variable.name), "{}", variable.name);
    }
    assert!(environment.is_empty(), "not of this server: {environment:?}");
}

#[test]
fn defaults_are_those_of_the_server() {
    let minimal = environment("minimal");
    for variable in VARIABLES {
        let given = ["CLERK_DOMAIN", "BASE_URL"].contains(&variable.name);
        if let Some(value) = minimal.get(variable.name).filter(|_| !given) {
            assert_eq!(value, variable.default, "{}", variable.name);
        }
    }
}

#[test]
fn the_server_takes_what_the_units_say() {
    for unit in ["minimal", "everything"] {
        let mut environment = environment(unit);
        let folder = own_folder(unit);
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
            // %d is the folder of the credentials.
            assert_eq!(file, "%d/ca.pem");
        }
        let variables = Variables::from_sources(
            &HashMap::new(),
            |name| environment.get(name).cloned(),
            Path::new("/nonexistent/.env"),
        )
        .unwrap();
        let config = Config::from_variables(&variables);
        fs::remove_dir_all(&folder).unwrap();
        assert!(config.is_ok(), "{unit}: {config:?}");
    }
}

/// A folder of the test's own.
fn own_folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("nix-{name}"));
    fs::create_dir_all(&folder).unwrap();
    folder
}
