//! Rebuilds the program when a case or a profile changes, because they are compiled in.

fn main() {
    println!("cargo::rerun-if-changed=cases");
    println!("cargo::rerun-if-changed=profiles");
}
