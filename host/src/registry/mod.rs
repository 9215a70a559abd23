//! Names → provider instances: which there are, and which one a model's name means.
//!
//! Filled once, from the plugins that serve and the configuration; a reload fills another one. How
//! an instance answers is the business of `provider`.

mod instantiate;
mod origin;

use std::collections::BTreeMap;
use std::str::FromStr;

use allos_plugin_api::{ErrorKind, ProviderError};

pub(crate) use instantiate::{Instantiation, instantiate};
pub(crate) use origin::Origin;

use crate::config::ModelRef;
use crate::provider::ProviderHandle;

/// The provider instances of a host, and its routes.
#[derive(Debug, Default)]
pub struct ProviderRegistry {
    instances: BTreeMap<String, ProviderHandle>,
    routes: BTreeMap<String, ModelRef>,
}

/// What a model's name means.
#[derive(Debug, Clone)]
pub struct Target {
    /// The instance that answers.
    pub provider: ProviderHandle,
    /// The model, by the provider's own id.
    pub model: String,
}

impl ProviderRegistry {
    pub(crate) fn new(instances: Vec<ProviderHandle>, routes: BTreeMap<String, ModelRef>) -> Self {
        let by_name = |instance: ProviderHandle| (instance.name().to_owned(), instance);
        Self { instances: instances.into_iter().map(by_name).collect(), routes }
    }

    /// All instances by name, those that cannot answer too.
    pub fn instances(&self) -> impl Iterator<Item = &ProviderHandle> {
        self.instances.values()
    }

    /// The routes, each with its target, by name.
    pub fn routes(&self) -> impl Iterator<Item = (&str, &ModelRef)> {
        self.routes.iter().map(|(name, target)| (name.as_str(), target))
    }

    /// The instance of a name, whether or not it can answer.
    ///
    /// # Errors
    ///
    /// Where there is none; the hint lists those that there are.
    pub fn provider(&self, name: &str) -> Result<ProviderHandle, ProviderError> {
        self.instances.get(name).cloned().ok_or_else(|| self.no_instance(name))
    }

    /// What a model's name means: a route of that name, else `instance/model`, else an instance
    /// with a default model.
    ///
    /// # Errors
    ///
    /// Where it means nothing here.
    pub fn resolve(&self, name: &str) -> Result<Target, ProviderError> {
        match self.routes.get(name) {
            Some(target) => self.target(target),
            None => self.target(&ModelRef::from_str(name).map_err(|_| self.no_instance(name))?),
        }
    }

    fn target(&self, reference: &ModelRef) -> Result<Target, ProviderError> {
        let provider = self.provider(reference.instance.as_str())?;
        let model = reference.model.as_deref().or(provider.default_model());
        let Some(model) = model.map(str::to_owned) else {
            let name = provider.name();
            return Err(ProviderError::new(
                ErrorKind::ModelNotFound,
                format!("`{name}` is a provider, not a model, and has no default model"),
            )
            .with_hint(format!("write {name}/MODEL, or set `model` in [providers.{name}]")));
        };
        Ok(Target { provider, model })
    }

    fn no_instance(&self, name: &str) -> ProviderError {
        let shown: String = name.chars().take(100).flat_map(char::escape_debug).collect();
        ProviderError::new(ErrorKind::ModelNotFound, format!("there is no provider for `{shown}`"))
            .with_code("model_not_found")
            .with_hint(self.what_there_is())
    }

    fn what_there_is(&self) -> String {
        if self.instances.is_empty() {
            return "no plugin is loaded; put one into a plugin folder".to_owned();
        }
        let names: Vec<_> = self.instances.keys().map(String::as_str).collect();
        format!("a model is written INSTANCE/MODEL; there are the instances {}", names.join(", "))
    }
}
