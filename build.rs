//! The schema tree is embedded; a file added to it must reach the program.

fn main() {
    println!("cargo:rerun-if-changed=config/schema");
}
