//! The files of config/etl are embedded; a file added to them must reach the program.

fn main() {
    println!("cargo:rerun-if-changed=../../config/etl");
}
