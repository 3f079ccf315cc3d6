//! Builds again when a case or a profile changes: they are part of the program.

fn main() {
    println!("cargo::rerun-if-changed=cases");
    println!("cargo::rerun-if-changed=profiles");
}
