//! What the author declares in the attribute, as it is parsed.

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Ident, Lit, LitStr, Token, bracketed, parenthesized};

const OPTION_KINDS: [&str; 7] = ["string", "integer", "number", "boolean", "list", "table", "any"];

/// All that the attribute says.
pub(crate) struct Declaration {
    pub(crate) name: LitStr,
    pub(crate) dialects: Vec<LitStr>,
    pub(crate) api_key: Option<LitStr>,
    pub(crate) base_url: Option<LitStr>,
    pub(crate) options: Vec<DeclaredOption>,
    pub(crate) presets: Vec<DeclaredPreset>,
}

/// `name: kind = "about"`
pub(crate) struct DeclaredOption {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) about: LitStr,
}

/// `name(base_url = "…", api_key = "…", options(name = literal, …))`
pub(crate) struct DeclaredPreset {
    pub(crate) name: String,
    pub(crate) base_url: Option<LitStr>,
    pub(crate) api_key: Option<LitStr>,
    pub(crate) options: Vec<(String, Lit)>,
}

impl Parse for Declaration {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if !input.peek(LitStr) {
            return Err(
                input.error("expected the provider's name, such as #[provider(\"nexusai\")]")
            );
        }
        let mut declaration = Self {
            name: input.parse()?,
            dialects: Vec::new(),
            api_key: None,
            base_url: None,
            options: Vec::new(),
            presets: Vec::new(),
        };
        check_name(&declaration.name.value(), declaration.name.span())?;
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if !input.is_empty() {
                declaration.clause(input)?;
            }
        }
        Ok(declaration)
    }
}

impl Declaration {
    fn clause(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        let word: Ident = input.parse()?;
        match word.to_string().as_str() {
            "dialects" => self.dialects = string_list(input)?,
            "api_key" => self.api_key = Some(assigned(input)?),
            "base_url" => self.base_url = Some(assigned(input)?),
            "options" => self.options = in_parentheses(input)?,
            "presets" => self.presets = in_parentheses(input)?,
            other => {
                return Err(syn::Error::new(
                    word.span(),
                    format!(
                        "unknown word `{other}`; a provider declares `dialects`, `api_key`, \
                         `base_url`, `options` and `presets`"
                    ),
                ));
            }
        }
        Ok(())
    }
}

impl Parse for DeclaredOption {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name: Ident = input.parse()?;
        input.parse::<Token![:]>()?;
        let kind: Ident = input.parse()?;
        if !OPTION_KINDS.contains(&kind.to_string().as_str()) {
            let message = format!("unknown type `{kind}`; one of {}", OPTION_KINDS.join(", "));
            return Err(syn::Error::new(kind.span(), message));
        }
        Ok(Self { name: name.to_string(), kind: kind.to_string(), about: assigned(input)? })
    }
}

impl Parse for DeclaredPreset {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = preset_name(input)?;
        let mut preset = Self { name, base_url: None, api_key: None, options: Vec::new() };
        let content;
        parenthesized!(content in input);
        while !content.is_empty() {
            preset.clause(&content)?;
            if !content.is_empty() {
                content.parse::<Token![,]>()?;
            }
        }
        Ok(preset)
    }
}

impl DeclaredPreset {
    fn clause(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        let word: Ident = input.parse()?;
        match word.to_string().as_str() {
            "base_url" => self.base_url = Some(assigned(input)?),
            "api_key" => self.api_key = assigned_or_none(input)?,
            "options" => {
                let values: Vec<Assignment> = in_parentheses(input)?;
                self.options = values.into_iter().map(|it| (it.name, it.value)).collect();
            }
            other => {
                let message = format!(
                    "unknown word `{other}`; a preset declares `base_url`, `api_key`, `options`"
                );
                return Err(syn::Error::new(word.span(), message));
            }
        }
        Ok(())
    }
}

/// `name = literal`
struct Assignment {
    name: String,
    value: Lit,
}

impl Parse for Assignment {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name: Ident = input.parse()?;
        input.parse::<Token![=]>()?;
        Ok(Self { name: name.to_string(), value: input.parse()? })
    }
}

/// A name as a word, or as a string where it holds what a word cannot.
fn preset_name(input: ParseStream<'_>) -> syn::Result<String> {
    let (name, span) = if input.peek(LitStr) {
        let name: LitStr = input.parse()?;
        (name.value(), name.span())
    } else {
        let name = input.call(Ident::parse_any)?;
        (name.to_string(), name.span())
    };
    check_name(&name, span)?;
    Ok(name)
}

/// The rule of `allos_plugin_api::is_provider_name`, as a compile error.
fn check_name(name: &str, span: Span) -> syn::Result<()> {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    let first = name.bytes().next().is_some_and(|byte| !matches!(byte, b'_' | b'-'));
    if first && name.len() <= 64 && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(syn::Error::new(
        span,
        format!(
            "`{name}` is not a provider name: it must be [a-z0-9][a-z0-9_-]*, at most 64 bytes"
        ),
    ))
}

fn assigned(input: ParseStream<'_>) -> syn::Result<LitStr> {
    input.parse::<Token![=]>()?;
    input.parse()
}

fn assigned_or_none(input: ParseStream<'_>) -> syn::Result<Option<LitStr>> {
    input.parse::<Token![=]>()?;
    if input.peek(LitStr) {
        return input.parse().map(Some);
    }
    let word: Ident = input.parse()?;
    if word == "none" {
        Ok(None)
    } else {
        Err(syn::Error::new(word.span(), "expected a string or `none`"))
    }
}

fn string_list(input: ParseStream<'_>) -> syn::Result<Vec<LitStr>> {
    input.parse::<Token![=]>()?;
    let content;
    bracketed!(content in input);
    let list: Punctuated<LitStr, Token![,]> = Punctuated::parse_terminated(&content)?;
    Ok(list.into_iter().collect())
}

fn in_parentheses<T: Parse>(input: ParseStream<'_>) -> syn::Result<Vec<T>> {
    let content;
    parenthesized!(content in input);
    let list: Punctuated<T, Token![,]> = Punctuated::parse_terminated(&content)?;
    Ok(list.into_iter().collect())
}
