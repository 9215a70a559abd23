//! The last stage: each name belongs to the first file that exports it.

use std::path::Path;

use allos_plugin_api::Descriptor;

use super::admission::{Admission, Session, found};
use super::candidate::{CandidateState, Reason};
use super::file_name;
use super::loaded::LoadedPlugin;

/// The stage.
pub(super) fn register(admission: &mut Admission, session: &mut Session) -> Result<(), Reason> {
    claim_name(admission, session)?;
    let descriptor = found(admission.descriptor.clone())?;
    warn_of_presets(&descriptor, admission, session);
    session.loaded.push(LoadedPlugin {
        name: descriptor.name.parse().map_err(|error| Reason::new(format!("{error}")))?,
        path: admission.path.clone(),
        staged: found(admission.staged.clone())?,
        _in_use: found(admission.in_use.clone())?,
        hash: found(admission.hash)?,
        module: admission.module,
        descriptor,
    });
    admission.state = CandidateState::Loaded;
    Ok(())
}

/// The part of the stage that needs no open library.
pub(super) fn claim_name(admission: &mut Admission, session: &mut Session) -> Result<(), Reason> {
    let name = &found(admission.descriptor.as_deref())?.name;
    if let Some(first) = session.names.get(name) {
        return Err(duplicate(name, first, &admission.path));
    }
    session.names.insert(name.clone(), admission.path.clone());
    Ok(())
}

fn duplicate(name: &str, first: &Path, second: &Path) -> Reason {
    let (first, second) = (first.display(), second.display());
    Reason::new(format!("`{second}` exports `{name}`, which `{first}` exports already"))
        .hint("remove one of the two files")
}

/// Of two presets of one name, the registry takes that of the plugin that was loaded first.
fn warn_of_presets(descriptor: &Descriptor, admission: &Admission, session: &mut Session) {
    let states = |plugin: &&LoadedPlugin, name: &str| {
        plugin.descriptor.presets.iter().any(|preset| preset.name == name)
    };
    for preset in &descriptor.presets {
        if let Some(first) = session.loaded.iter().find(|plugin| states(plugin, &preset.name)) {
            session.warnings.push(format!(
                "the preset `{}` of {} is hidden by that of {}",
                preset.name,
                admission.file_name(),
                file_name(&first.path)
            ));
        }
    }
}
