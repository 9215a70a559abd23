//! What the macro writes behind the implementation: the header and the static descriptor.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{ImplItem, ItemImpl, Lit, LitStr};

use crate::declaration::{Declaration, DeclaredOption, DeclaredPreset};

/// The operations that a provider always has, since they are required or have a default.
const ALWAYS: [&str; 3] = ["chat", "stream_chat", "context_window"];
/// The operations that it has only if its implementation has them.
const OPTIONAL: [&str; 3] = ["models", "embed", "count_tokens"];

/// The implementation, and all that exports it.
pub(crate) fn export(
    declaration: &Declaration,
    implementation: &ItemImpl,
) -> syn::Result<TokenStream> {
    if implementation.trait_.is_none() {
        let message = "expected an implementation of the trait: `impl Provider for …`";
        return Err(syn::Error::new_spanned(&implementation.self_ty, message));
    }
    let provider = &implementation.self_ty;
    let descriptor = descriptor(declaration, implementation)?;
    Ok(quote! {
        #implementation

        const _: () = {
            #[cfg(panic = "abort")]
            ::core::compile_error!(
                "an allos plugin must be built with `panic = \"unwind\"`: under \"abort\" its first panic would end the host"
            );

            use ::allos_plugin_api::boundary::{self, abi, static_descriptor};

            #descriptor

            extern "C" fn create(
                config: abi::Payload,
                host: abi::HostBox,
            ) -> abi::abi_stable::std_types::RResult<abi::ProviderBox, abi::Payload> {
                boundary::create::<#provider>(&config, host)
            }

            extern "C" fn describe() -> abi::Payload {
                DESCRIPTOR.to_vec().into()
            }

            fn plugin() -> abi::PluginRef {
                abi::module(abi::Plugin { descriptor: describe, create })
            }

            extern "C" fn load() -> abi::RootModuleResult {
                abi::load(plugin)
            }

            #[unsafe(export_name = "allos_plugin_1")]
            static HEADER: abi::LibHeader = abi::header(load);
        };
    })
}

/// The static descriptor, in its link section.
fn descriptor(declaration: &Declaration, implementation: &ItemImpl) -> syn::Result<TokenStream> {
    let declared = declared_json(declaration, &capabilities(implementation))?;
    Ok(quote! {
        const PARTS: &[&str] = &[
            "{\"abi_version\":1,\"plugin_version\":\"",
            ::core::env!("CARGO_PKG_VERSION"),
            "\",\"api_version\":\"",
            static_descriptor::API_VERSION,
            "\",\"rustc\":\"",
            static_descriptor::RUSTC,
            "\",\"target\":\"",
            static_descriptor::TARGET,
            "\",\"panic\":\"",
            if ::core::cfg!(panic = "unwind") { "unwind" } else { "abort" },
            #declared,
        ];

        #[used]
        #[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__allos"))]
        #[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".allos"))]
        static DESCRIPTOR: [u8; static_descriptor::HEAD + static_descriptor::length(PARTS)] =
            static_descriptor::section(PARTS);
    })
}

fn capabilities(implementation: &ItemImpl) -> Vec<&'static str> {
    let implemented = |operation: &&&str| {
        implementation
            .items
            .iter()
            .any(|item| matches!(item, ImplItem::Fn(method) if method.sig.ident == **operation))
    };
    ALWAYS.iter().chain(OPTIONAL.iter().filter(implemented)).copied().collect()
}

/// The rest of the descriptor's JSON, from the quote that ends the panic strategy on.
fn declared_json(declaration: &Declaration, capabilities: &[&str]) -> syn::Result<String> {
    let mut json = format!("\",\"name\":{}", quoted(&declaration.name.value()));
    push(&mut json, "capabilities", &list(capabilities.iter().map(|it| quoted(it))));
    push(&mut json, "dialects", &list(declaration.dialects.iter().map(text)));
    push_address(&mut json, declaration.api_key.as_ref(), declaration.base_url.as_ref());
    push(&mut json, "options", &list(declaration.options.iter().map(option_json)));
    let presets = declaration.presets.iter().map(preset_json).collect::<syn::Result<Vec<_>>>()?;
    push(&mut json, "presets", &list(presets.into_iter()));
    json.push('}');
    Ok(json)
}

fn option_json(option: &DeclaredOption) -> String {
    let mut json = format!("{{\"name\":{}", quoted(&option.name));
    push(&mut json, "kind", &quoted(&option.kind));
    push(&mut json, "about", &text(&option.about));
    json.push('}');
    json
}

fn preset_json(preset: &DeclaredPreset) -> syn::Result<String> {
    let mut json = format!("{{\"name\":{}", quoted(&preset.name));
    push_address(&mut json, preset.api_key.as_ref(), preset.base_url.as_ref());
    let options = preset
        .options
        .iter()
        .map(|(name, value)| Ok(format!("{}:{}", quoted(name), literal(value)?)))
        .collect::<syn::Result<Vec<_>>>()?;
    push(&mut json, "options", &format!("{{{}}}", options.join(",")));
    json.push('}');
    Ok(json)
}

fn push_address(json: &mut String, api_key: Option<&LitStr>, base_url: Option<&LitStr>) {
    for (name, value) in [("api_key", api_key), ("base_url", base_url)] {
        if let Some(value) = value {
            push(json, name, &text(value));
        }
    }
}

fn push(json: &mut String, name: &str, value: &str) {
    json.extend([",", &quoted(name), ":", value]);
}

fn list(values: impl Iterator<Item = String>) -> String {
    format!("[{}]", values.collect::<Vec<_>>().join(","))
}

fn literal(value: &Lit) -> syn::Result<String> {
    match value {
        Lit::Str(value) => Ok(text(value)),
        Lit::Bool(value) => Ok(value.value.to_string()),
        Lit::Int(value) => Ok(value.base10_digits().to_owned()),
        Lit::Float(value) => Ok(value.base10_digits().to_owned()),
        other => Err(syn::Error::new_spanned(other, "expected a string, a number or a boolean")),
    }
}

fn text(value: &LitStr) -> String {
    quoted(&value.value())
}

/// A text as a JSON string.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            plain if !plain.is_control() => quoted.push(plain),
            control => quoted.extend(["\\u", &format!("{:04x}", u32::from(control))]),
        }
    }
    quoted.push('"');
    quoted
}
