//! What Anthropic's pages say of each family of models.
//!
//! - <https://platform.claude.com/docs/en/about-claude/models/overview>
//! - <https://platform.claude.com/docs/en/models/opus-4-8/overview>, and the like for each model
//! - <https://platform.claude.com/docs/en/about-claude/models/model-ids-and-versions>

use allos_plugin_api::Limits;

const LARGE: Limits = Limits::new(1_000_000, 128_000);
const MEDIUM: Limits = Limits::new(200_000, 64_000);
const OPUS_4: Limits = Limits::new(200_000, 32_000);
const CLAUDE_3_5: Limits = Limits::new(200_000, 8_192);
const CLAUDE_3: Limits = Limits::new(200_000, 4_096);

/// Limits by the start of a model's id. Of the first Claude 4 the whole id is here, lest a model
/// that is not known is taken for it.
const LIMITS: [(&str, Limits); 23] = [
    ("claude-fable-5", LARGE),
    ("claude-mythos-5", LARGE),
    ("claude-opus-5", LARGE),
    ("claude-sonnet-5", LARGE),
    ("claude-haiku-5-5", LARGE),
    ("claude-opus-4-8", LARGE),
    ("claude-opus-4-7", LARGE),
    ("claude-opus-4-6", LARGE),
    ("claude-sonnet-4-6", Limits::new(1_000_000, 64_000)),
    ("claude-opus-4-5", MEDIUM),
    ("claude-sonnet-4-5", MEDIUM),
    ("claude-haiku-4-5", MEDIUM),
    ("claude-opus-4-1", OPUS_4),
    ("claude-opus-4-0", OPUS_4),
    ("claude-opus-4-20250514", OPUS_4),
    ("claude-sonnet-4-0", MEDIUM),
    ("claude-sonnet-4-20250514", MEDIUM),
    ("claude-3-7-sonnet", MEDIUM),
    ("claude-3-5-sonnet", CLAUDE_3_5),
    ("claude-3-5-haiku", CLAUDE_3_5),
    ("claude-3-opus", CLAUDE_3),
    ("claude-3-sonnet", CLAUDE_3),
    ("claude-3-haiku", CLAUDE_3),
];

/// What is known of a model's limits.
pub fn limits(model: &str) -> Option<&'static Limits> {
    Limits::find(model, &LIMITS)
}

/// The version in a model's id: 4 and 8 in `claude-opus-4-8`, 3 and 7 in `claude-3-7-sonnet-…`.
pub(crate) fn version(model: &str) -> Option<(u8, u8)> {
    let mut words = model.strip_prefix("claude-")?.split('-').map(|word| word.parse().ok());
    let major = words.by_ref().flatten().next()?;
    Some((major, words.next().flatten().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_known_by_the_start_of_the_id_and_never_guessed() {
        for (model, expected) in [
            ("claude-opus-5-5", Some((1_000_000, 128_000))),
            ("claude-sonnet-5", Some((1_000_000, 128_000))),
            ("claude-opus-4-8", Some((1_000_000, 128_000))),
            ("claude-sonnet-4-6", Some((1_000_000, 64_000))),
            ("claude-sonnet-4-5-20250929", Some((200_000, 64_000))),
            ("claude-opus-4-20250514", Some((200_000, 32_000))),
            ("claude-3-5-haiku-latest", Some((200_000, 8_192))),
            ("claude-opus-4-9", None),
            ("claude-haiku-5", None),
            ("claude-opus-6", None),
            ("glm-4.6", None),
        ] {
            let limits = limits(model);
            let got = limits.and_then(|it| Some((it.context_window, it.max_output_tokens?)));
            assert_eq!(got, expected, "{model}");
        }
    }

    #[test]
    fn a_version_is_read_from_ids_old_and_new() {
        for (model, expected) in [
            ("claude-opus-4-8", Some((4, 8))),
            ("claude-sonnet-5", Some((5, 0))),
            ("claude-opus-4-20250514", Some((4, 0))),
            ("claude-3-7-sonnet-20250219", Some((3, 7))),
            ("claude-3-haiku-20240307", Some((3, 0))),
            ("claude-mythos-preview", None),
            ("glm-4.6", None),
        ] {
            assert_eq!(version(model), expected, "{model}");
        }
    }
}
