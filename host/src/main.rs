//! The program `allos`. Everything it does is in the library, under `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    allos_host::cli::run()
}
