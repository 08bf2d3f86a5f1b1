//! The files of config/verify and config/checklist are embedded; a file added to them must reach the program.

fn main() {
    println!("cargo:rerun-if-changed=../../config/verify");
    println!("cargo:rerun-if-changed=../../config/checklist");
}
