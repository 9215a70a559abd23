//! What a model's name says of it.
//!
//! - <https://ai.google.dev/gemini-api/docs/models>

/// Which generation a model is of: `(2, 5)`. Where the name does not tell, what such a model most
/// likely takes.
pub(crate) type Generation = (u32, u32);

/// The first generation that thinks.
pub(crate) const THINKS: Generation = (2, 5);
/// The first generation that insists on thought signatures, and thinks by levels.
pub(crate) const SIGNS: Generation = (3, 0);

/// The generation of a model.
pub(crate) fn generation(model: &str) -> Generation {
    let name = model.strip_prefix("models/").unwrap_or(model);
    let Some(rest) = name.strip_prefix("gemini-") else { return THINKS };
    let number = rest.split('-').next().unwrap_or_default();
    let (major, minor) = number.split_once('.').unwrap_or((number, "0"));
    match (major.parse(), minor.parse()) {
        (Ok(major), Ok(minor)) => (major, minor),
        _ if rest.ends_with("-latest") => SIGNS,
        _ => THINKS,
    }
}

/// A model's name as Google writes it: `models/gemini-2.5-flash`.
pub fn resource(model: &str) -> String {
    let is_whole = model.starts_with("models/") || model.starts_with("tunedModels/");
    if is_whole { model.to_owned() } else { format!("models/{model}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_is_read_from_the_name() {
        for (model, expected) in [
            ("gemini-3-pro-preview", (3, 0)),
            ("models/gemini-3.1-flash", (3, 1)),
            ("gemini-2.5-pro", (2, 5)),
            ("gemini-2.0-flash-exp", (2, 0)),
            ("gemini-flash-latest", SIGNS),
            ("gemma-3-27b-it", THINKS),
            ("tunedModels/x", THINKS),
        ] {
            assert_eq!(generation(model), expected, "{model}");
        }
    }
}
