//! `init`: writes a new server of your own, from the files in `examples/template/`.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use thiserror::Error;

use super::{
    error::{EXIT_CODES, Failure},
    output,
};

/// Arguments of `init`.
#[derive(Debug, Args)]
#[command(
    after_help = EXAMPLES,
    after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"),
)]
pub(super) struct InitArgs {
    /// Name of the server: lowercase letters, digits and hyphens. The folder of this name must not exist.
    #[arg(value_parser = package_name)]
    name: String,
    /// Checkout of clerk-mcp to depend on [default: the one from which this program was built]
    #[arg(long, value_name = "FOLDER")]
    clerk_mcp: Option<PathBuf>,
}

/// Writes the files, and prints what to run next.
pub(super) fn run(args: &InitArgs) -> Result<ExitCode, Failure> {
    let checkout = checkout(args.clerk_mcp.as_deref())?;
    let folder = Path::new(&args.name);
    write(folder, &args.name, &checkout)?;
    output::print(&format!(
        "Wrote {name}: one tool, its policy, and tests. Next:\n\n  cd {name}\n  cargo test\n  cargo run -- demo",
        name = args.name
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Returns the checkout of this repository that the new server depends on.
fn checkout(given: Option<&Path>) -> Result<String, InitError> {
    let folder = given.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")));
    let found = fs::canonicalize(folder).ok().filter(|folder| {
        // The folders that the new server needs.
        folder.join("Cargo.toml").is_file() && folder.join("conformance/clerk/Cargo.toml").is_file()
    });
    let path = found.as_deref().and_then(Path::to_str);
    // The path becomes a string in TOML.
    match path.filter(|path| !path.contains(['"', '\\', '\n'])) {
        Some(path) => Ok(path.to_owned()),
        None => Err(InitError::Checkout(folder.to_owned())),
    }
}

fn write(folder: &Path, name: &str, checkout: &str) -> Result<(), InitError> {
    let failed = |path: &Path, source| InitError::Write {
        path: path.to_owned(),
        source,
    };
    fs::create_dir(folder).map_err(|error| {
        if error.kind() == io::ErrorKind::AlreadyExists {
            InitError::Exists(folder.to_owned())
        } else {
            failed(folder, error)
        }
    })?;
    let source = folder.join("src");
    fs::create_dir(&source).map_err(|error| failed(&source, error))?;
    for (file, text) in FILES {
        let path = folder.join(file);
        fs::write(&path, fill_in(text, name, checkout)).map_err(|error| failed(&path, error))?;
    }
    Ok(())
}

/// Replaces the template's name and paths.
fn fill_in(text: &str, name: &str, checkout: &str) -> String {
    text.replace("my-server", name)
        .replace("my_server", &name.replace('-', "_"))
        .replace("path = \"../..\"", &format!("path = \"{checkout}\""))
        .replace("path = \"../../", &format!("path = \"{checkout}/"))
        .replace("CHECKOUT", checkout)
}

/// Parses the name of a Cargo package that Rust accepts as the name of a program.
fn package_name(text: &str) -> Result<String, String> {
    let is_name = text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !is_name {
        return Err("expected lowercase letters, digits and hyphens, beginning with a letter".to_owned());
    }
    if [
        "build",
        "deps",
        "examples",
        "incremental",
        "test",
        "core",
        "std",
        "clerk-mcp",
        "local-clerk",
        "rmcp",
        "serde",
        "schemars",
        "tokio",
        "reqwest",
    ]
    .contains(&text)
    {
        return Err("Cargo or the server uses this name; choose another one".to_owned());
    }
    Ok(text.to_owned())
}

/// Why no server was written.
#[derive(Debug, Error)]
pub(super) enum InitError {
    #[error("[Clerk] The folder {} exists already. Choose another name, or delete the folder.", .0.display())]
    Exists(PathBuf),
    #[error("[Clerk] {} is not a checkout of clerk-mcp. Set --clerk-mcp to the folder of one.", .0.display())]
    Checkout(PathBuf),
    #[error("[Clerk] Cannot write {}: {source}", .path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// The files of a new server. Some have other names in the template: with `Cargo.toml`, Cargo would leave the
/// folder out of the package of this program, and `.gitignore` would apply to the template itself.
const FILES: [(&str, &str); 9] = [
    (
        "Cargo.toml",
        include_str!("../../examples/template/manifest.toml"),
    ),
    ("src/main.rs", include_str!("../../examples/template/src/main.rs")),
    (
        "src/tools.rs",
        include_str!("../../examples/template/src/tools.rs"),
    ),
    (
        "src/tests.rs",
        include_str!("../../examples/template/src/tests.rs"),
    ),
    (
        ".env.example",
        include_str!("../../examples/template/env.example"),
    ),
    (".gitignore", include_str!("../../examples/template/gitignore")),
    (
        ".dockerignore",
        include_str!("../../examples/template/dockerignore"),
    ),
    ("Dockerfile", include_str!("../../examples/template/Dockerfile")),
    ("README.md", include_str!("../../examples/template/README.md")),
];

const EXAMPLES: &str = "\
Example:
  clerk-mcp init shop && cd shop && cargo test && cargo run -- demo";
