//! `init`: the files of a new server. `.ci/template` compiles them and runs their tests.

use std::{fs, path::Path, process::Output};

use crate::support::program::{Folder, program};

fn init(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = program(folder).arg("init").args(arguments).output().unwrap();
    let text = [stdout, stderr].concat();
    (status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn files_name_the_server_and_the_checkout() {
    let folder = Folder::new("init");
    let (code, text) = init(&folder.0, &["my-shop-2"]);
    assert_eq!(code, Some(0), "{text}");
    insta::assert_snapshot!(text, @"
    Wrote my-shop-2: one tool, its policy, and tests. Next:

      cd my-shop-2
      cargo test
      cargo run -- demo
    ");
    let mut files = Vec::new();
    for entry in ["", "src"].map(|inner| fs::read_dir(folder.0.join("my-shop-2").join(inner)).unwrap()) {
        files.extend(
            entry
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.is_file()),
        );
    }
    assert_eq!(files.len(), 9, "{files:?}");
    let all: String = files
        .iter()
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    for left in ["my-server", "my_server", "CHECKOUT", "\"..", "path = \"..\""] {
        assert!(!all.contains(left), "{left} in {all}");
    }
    let manifest = fs::read_to_string(folder.0.join("my-shop-2/Cargo.toml")).unwrap();
    let checkout = fs::canonicalize(env!("CARGO_MANIFEST_DIR")).unwrap();
    let (name, path) = (
        "name = \"my-shop-2\"",
        format!(
            "local-clerk = {{ path = \"{}/conformance/clerk\" }}",
            checkout.display()
        ),
    );
    assert!(manifest.contains(name) && manifest.contains(&path), "{manifest}");
    assert!(all.contains("my_shop_2=info"), "{all}");
}

/// The template must use the versions of the crates that this repository is tested with.
#[test]
fn template_uses_the_version_of_rmcp_of_this_repository() {
    let read = |path: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let version = |manifest: &str| {
        let line = manifest
            .lines()
            .find(|line| line.starts_with("rmcp = { version"))
            .unwrap()
            .to_owned();
        line.split('"').nth(1).unwrap().to_owned()
    };
    assert_eq!(
        version(&read("examples/template/manifest.toml")),
        version(&read("Cargo.toml"))
    );
}

#[test]
fn existing_folder_wrong_name_and_missing_checkout_are_rejected() {
    let folder = Folder::new("init-errors");
    fs::create_dir(folder.0.join("shop")).unwrap();
    let errors = [
        vec!["shop"],
        vec!["Shop"],
        vec!["serde"],
        vec!["build"],
        vec!["other", "--clerk-mcp", "shop"],
    ]
    .map(|arguments| {
        let (code, text) = init(&folder.0, &arguments);
        format!("exit {}\n{}", code.unwrap(), text.lines().next().unwrap())
    });
    insta::assert_snapshot!(errors.join("\n"), @"
    exit 1
    [Clerk] The folder shop exists already. Choose another name, or delete the folder.
    exit 2
    error: invalid value 'Shop' for '<NAME>': expected lowercase letters, digits and hyphens, beginning with a letter
    exit 2
    error: invalid value 'serde' for '<NAME>': Cargo or the server uses this name; choose another one
    exit 2
    error: invalid value 'build' for '<NAME>': Cargo or the server uses this name; choose another one
    exit 1
    [Clerk] shop is not a checkout of clerk-mcp. Set --clerk-mcp to the folder of one.
    ");
    assert!(!folder.0.join("other").exists());
}
