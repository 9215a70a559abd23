//! Which file configures the host, and what beats it: flags, then the environment, then the file.
//!
//! Reads the file and hands its text to the parser; it knows no key of it but those that a flag or
//! a variable can override.

use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::error::ConfigError;
use super::values::parse_listen;
use super::{Config, access};
use crate::io_reason::io_reason;

/// The name of the file in the working directory.
const FILE_NAME: &str = "allos.toml";

/// The longest file that is read, in bytes.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// What the command line says about the configuration.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// `--config`: the file, instead of looking for one.
    pub config: Option<PathBuf>,
    /// `--plugin-dir`: the plugin folders, instead of the configured ones; none means as configured.
    pub plugin_dirs: Vec<PathBuf>,
    /// `--listen`: the gateway's address, instead of the configured one.
    pub listen: Option<SocketAddr>,
}

impl Config {
    /// Finds, reads and checks the configuration, and applies what beats it.
    ///
    /// # Errors
    ///
    /// Where a named file cannot be read, and where the configuration is wrong.
    pub fn load(options: &LoadOptions) -> Result<Self, ConfigError> {
        load_in(options, &Environment::of_process())
    }

    /// Where the configuration is: `explicit` (`--config`), else `$ALLOS_CONFIG`, else
    /// `./allos.toml`, else `$XDG_CONFIG_HOME/allos/allos.toml`. A file that was named is returned
    /// whether it exists or not, any other only if it exists.
    pub fn locate(explicit: Option<&Path>) -> Option<PathBuf> {
        locate_in(explicit, &Environment::of_process())
    }
}

fn load_in(options: &LoadOptions, environment: &Environment) -> Result<Config, ConfigError> {
    let mut config = match locate_in(options.config.as_deref(), environment) {
        Some(file) => Config::parse(&read(&file)?, &file)?,
        None => Config::default(),
    };
    let listen = match options.listen {
        Some(address) => Some((address, "--listen")),
        None => listen_variable(environment)?.map(|address| (address, "ALLOS_LISTEN")),
    };
    if let Some((address, place)) = listen {
        config.gateway.listen = address;
        access::check(&config.gateway)
            .map_err(|message| ConfigError::new(format!("{place}: {message}")))?;
    }
    if !options.plugin_dirs.is_empty() {
        config.plugin_dirs.clone_from(&options.plugin_dirs);
    } else if let Some(folders) = environment.get("ALLOS_PLUGIN_DIR") {
        let folders = std::env::split_paths(&folders);
        config.plugin_dirs = folders.filter(|folder| !folder.as_os_str().is_empty()).collect();
    }
    Ok(config)
}

fn listen_variable(environment: &Environment) -> Result<Option<SocketAddr>, ConfigError> {
    let Some(value) = environment.get("ALLOS_LISTEN") else { return Ok(None) };
    parse_listen(&value.to_string_lossy())
        .map(Some)
        .map_err(|message| ConfigError::new(format!("ALLOS_LISTEN: {message}")))
}

fn locate_in(explicit: Option<&Path>, environment: &Environment) -> Option<PathBuf> {
    if let Some(path) = explicit {
        return Some(path.to_owned());
    }
    if let Some(path) = environment.get("ALLOS_CONFIG") {
        return Some(path.into());
    }
    let here = environment.folder.join(FILE_NAME);
    let folder = environment.get("XDG_CONFIG_HOME").map(PathBuf::from);
    let home = || environment.get("HOME").map(|home| PathBuf::from(home).join(".config"));
    let of_user = folder.or_else(home).map(|folder| folder.join("allos").join(FILE_NAME));
    [Some(here), of_user].into_iter().flatten().find(|path| path.exists())
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let bytes = read_bounded(path).map_err(|error| {
        let message = format!("the configuration cannot be read: {}", io_reason(&error));
        let error = ConfigError::new(message).in_file(path);
        error.with_hint("`allos config example` prints one to start from")
    })?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(ConfigError::new("the configuration is larger than 4 MiB").in_file(path));
    }
    String::from_utf8(bytes)
        .map_err(|_| ConfigError::new("the configuration is not UTF-8 text").in_file(path))
}

fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, listen: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, format!("[gateway]\nlisten = \"127.0.0.1:{listen}\"\n")).unwrap();
    }

    #[test]
    fn flags_beat_variables_beat_the_working_directory_beats_the_user() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        let [flag, variable, home] = ["flag.toml", "variable.toml", "home"].map(place);
        let mut environment =
            Environment::of([("ALLOS_CONFIG", ""), ("HOME", home.to_str().unwrap())]);
        environment.folder = place("here");
        assert_eq!(locate_in(None, &environment), None);

        let of_user = home.join(".config/allos/allos.toml");
        write(&of_user, "4");
        assert_eq!(locate_in(None, &environment), Some(of_user));

        let here = place("here").join(FILE_NAME);
        write(&here, "3");
        assert_eq!(locate_in(None, &environment), Some(here));

        let named = Environment::of([("ALLOS_CONFIG", variable.to_str().unwrap())]);
        assert_eq!(locate_in(None, &named), Some(variable));
        assert_eq!(locate_in(Some(&flag), &named), Some(flag));
    }

    #[test]
    fn a_flag_beats_a_variable_beats_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE_NAME);
        write(&file, "1");
        let mut options = LoadOptions { config: Some(file), ..LoadOptions::default() };
        let plain = load_in(&options, &Environment::of([])).unwrap();
        assert_eq!(plain.gateway.listen.port(), 1);
        assert_eq!(plain.plugin_dirs, [folder.path().join("plugins")]);

        let environment =
            Environment::of([("ALLOS_LISTEN", "127.0.0.1:2"), ("ALLOS_PLUGIN_DIR", "a::b")]);
        let overridden = load_in(&options, &environment).unwrap();
        assert_eq!(overridden.gateway.listen.port(), 2);
        assert_eq!(overridden.plugin_dirs, ["a", "b"].map(PathBuf::from));

        options.listen = Some(SocketAddr::from(([127, 0, 0, 1], 3)));
        options.plugin_dirs = vec!["c".into()];
        let flagged = load_in(&options, &environment).unwrap();
        assert_eq!(flagged.gateway.listen.port(), 3);
        assert_eq!(flagged.plugin_dirs, ["c"].map(PathBuf::from));
    }

    #[test]
    fn a_variable_that_opens_the_gateway_to_all_is_refused_and_named() {
        let environment = Environment::of([("ALLOS_LISTEN", "0.0.0.0:80")]);
        let error = load_in(&LoadOptions::default(), &environment).unwrap_err().to_string();
        assert!(error.starts_with("ALLOS_LISTEN: "), "{error}");
        let environment = Environment::of([("ALLOS_LISTEN", "everywhere")]);
        let error = load_in(&LoadOptions::default(), &environment).unwrap_err().to_string();
        assert!(error.starts_with("ALLOS_LISTEN: `everywhere` is not an address"), "{error}");
    }

    #[test]
    fn a_named_file_that_is_not_there_is_an_error() {
        let options = LoadOptions { config: Some("nowhere.toml".into()), ..Default::default() };
        let error = load_in(&options, &Environment::of([])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "nowhere.toml: the configuration cannot be read: no such file or folder \
             (hint: `allos config example` prints one to start from)"
        );
    }
}
