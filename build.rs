//! The schema tree and the rules are embedded; a file added to them must reach the program.

fn main() {
    println!("cargo:rerun-if-changed=config/schema");
    println!("cargo:rerun-if-changed=config/verify");
}
