//! What the exit code of `allos` says. A code that is documented here is not changed.

use std::process::ExitCode;

/// The table at the end of `allos --help`.
pub(super) const TABLE: &str = "\
Exit codes:
    0  done
    1  any other failure, such as an address that is in use
    2  usage: the command line, or what came on stdin, is wrong
    3  configuration: the file is wrong, or a provider lacks its key
    4  plugin: a file is refused, or there is no provider or model of that name here
    5  provider: it could not answer, or its vendor refused
  130  interrupted by Ctrl-C";

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Exit {
    Success = 0,
    Other = 1,
    Usage = 2,
    Configuration = 3,
    Plugin = 4,
    Provider = 5,
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_in_the_table() {
        let codes = [
            Exit::Success,
            Exit::Other,
            Exit::Usage,
            Exit::Configuration,
            Exit::Plugin,
            Exit::Provider,
            Exit::Interrupted,
        ];
        let rows: Vec<&str> = TABLE.lines().skip(1).map(str::trim_start).collect();
        assert_eq!(rows.len(), codes.len());
        for (row, code) in rows.iter().zip(codes) {
            assert!(row.starts_with(&format!("{} ", code as u8)), "{row}");
        }
    }
}
