//! What an answer cost, in the one line that ends it.

use std::time::Duration;

use allos_plugin_api::Usage;

use super::super::output::one_line;

/// For example `openai/gpt-4o · 812 in (512 cached) · 64 out · 1.3 s`. What was not reported is
/// left out.
pub(super) fn summary(model: &str, usage: Option<&Usage>, elapsed: Duration) -> String {
    let usage = usage.cloned().unwrap_or_default();
    let input = count(usage.input_tokens, "in", usage.cache_read_tokens, "cached");
    let output = count(usage.output_tokens, "out", usage.reasoning_tokens, "reasoning");
    let time = format!("{:.1} s", elapsed.as_secs_f64());
    let facts = [Some(one_line(model)), input, output, Some(time)];
    facts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

fn count(all: Option<u64>, word: &str, some: Option<u64>, detail: &str) -> Option<String> {
    let all = all?;
    match some.unwrap_or(0) {
        0 => Some(format!("{all} {word}")),
        some => Some(format!("{all} {word} ({some} {detail})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_reported_is_left_out() {
        let elapsed = Duration::from_millis(1_340);
        assert_eq!(summary("a/b", None, elapsed), "a/b · 1.3 s");
        let usage = Usage {
            input_tokens: Some(5),
            output_tokens: Some(7),
            cache_read_tokens: Some(0),
            reasoning_tokens: Some(2),
            ..Usage::default()
        };
        let line = summary("a/b", Some(&usage), elapsed);
        assert_eq!(line, "a/b · 5 in · 7 out (2 reasoning) · 1.3 s");
    }
}
