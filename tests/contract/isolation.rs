//! Where the plugins of a test run: what a host promises of both places is tested in both.

use allos_host::Host;

use crate::folder::PluginFolder;

/// A place for plugins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// The host's own process.
    InProcess,
    /// A process for each instance.
    Worker,
}

impl Isolation {
    /// How a configuration begins that says so. The neighbour `echo` stays with the host.
    pub(crate) fn toml(self) -> &'static str {
        match self {
            Self::InProcess => "",
            Self::Worker => {
                "isolation = \"worker\"\n[providers.echo]\nisolation = \"in-process\"\n"
            }
        }
    }

    /// A host on a folder whose plugins run there.
    pub(crate) async fn host(self, folder: &PluginFolder, toml: &str) -> Host {
        folder.host(&format!("{}{toml}", self.toml())).await
    }
}

/// Makes two tests of each of these functions, which take an [`Isolation`].
macro_rules! in_both_isolations {
    ($($test:ident),+ $(,)?) => {
        $(
            mod $test {
                use crate::isolation::Isolation;

                #[tokio::test]
                async fn in_process() {
                    super::$test(Isolation::InProcess).await;
                }

                #[tokio::test]
                async fn in_a_worker() {
                    super::$test(Isolation::Worker).await;
                }
            }
        )+
    };
}

pub(crate) use in_both_isolations;
