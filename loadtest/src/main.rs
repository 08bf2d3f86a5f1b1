//! The `loadtest` binary: see [`genims_loadtest`].

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    genims_loadtest::cli::main()
}
