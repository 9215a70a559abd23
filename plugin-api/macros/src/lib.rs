//! `#[provider("name")]`: exports an allos provider from a plugin.
//!
//! The macro reads what the author declares (`declaration`), and writes the exported header and
//! the static descriptor behind the implementation (`export`). It is used through
//! `allos-plugin-api`, whose documentation shows a complete plugin.

mod declaration;
mod export;

use proc_macro::TokenStream;
use syn::{ItemImpl, parse_macro_input};

/// Exports the provider that an `impl Provider for …` implements, under a name.
///
/// The name is `[a-z0-9][a-z0-9_-]*`, at most 64 bytes. What else a plugin declares is optional:
///
/// ```text
/// #[provider(
///     "nexusai",
///     dialects = ["openai-chat"],
///     api_key = "NEXUSAI_API_KEY",
///     base_url = "https://api.nexusai.example/v1",
///     options(region: string = "where the models run"),
///     presets(nexus-eu(base_url = "https://eu.nexusai.example/v1", api_key = "NEXUSAI_API_KEY",
///                      options(region = "eu"))),
/// )]
/// ```
///
/// - `dialects`: the dialects in which it takes a client's body as it came;
/// - `api_key`: it needs a key, which is usually in this environment variable;
/// - `base_url`: where the vendor's API is, unless the configuration says otherwise;
/// - `options`: the options that it takes, each with its type (`string`, `integer`, `number`,
///   `boolean`, `list`, `table`, `any`) and what it does;
/// - `presets`: services that it can reach besides its own, each under a name of its own, with
///   what differs; `api_key = none` where a service needs none.
///
/// The operations that the implementation has are the capabilities that the plugin states.
#[proc_macro_attribute]
pub fn provider(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let declaration = parse_macro_input!(attribute as declaration::Declaration);
    let implementation = parse_macro_input!(item as ItemImpl);
    export::export(&declaration, &implementation)
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}
