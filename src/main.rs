//! The `genims` command.

use clap::Parser;

#[path = "cli/dev.rs"]
mod dev;

#[derive(Parser)]
#[command(name = "genims", version)]
enum Cli {
    /// Run the private development servers
    Dev(dev::DevArgs),
}

fn main() -> std::process::ExitCode {
    let Cli::Dev(args) = Cli::parse();
    match dev::run(args) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("genims: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
