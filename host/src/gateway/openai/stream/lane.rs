//! What is taken out of an upstream's frame for a client that did not ask for usage.
//!
//! The gateway always asks the upstream for usage, because it meters; whoever did not ask sees a
//! stream as if nobody had.

use serde_json::Value;

/// The frame without what only asking for usage brings; `None` where that is all that it is.
///
/// Usage beside choices is the service's own doing and stays.
pub(super) fn without_usage(json: String) -> Option<String> {
    if !json.contains("\"usage\"") {
        return Some(json);
    }
    let Ok(Value::Object(mut frame)) = serde_json::from_str(&json) else { return Some(json) };
    let has_no_choices = frame.get("choices").and_then(Value::as_array).is_some_and(Vec::is_empty);
    match frame.get("usage") {
        Some(Value::Null) => {
            frame.remove("usage");
            Some(Value::Object(frame).to_string())
        }
        Some(_) if has_no_choices && !frame.contains_key("error") => None,
        _ => Some(json),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without(json: &str) -> Option<String> {
        without_usage(json.to_owned())
    }

    #[test]
    fn a_frame_of_nothing_but_usage_goes() {
        assert_eq!(without(r#"{"choices":[],"usage":{"prompt_tokens":1}}"#), None);
    }

    #[test]
    fn a_null_usage_goes_and_the_rest_stays() {
        let frame = without(r#"{"choices":[{"index":0}],"usage":null}"#);
        assert_eq!(frame.as_deref(), Some(r#"{"choices":[{"index":0}]}"#));
    }

    #[test]
    fn usage_beside_a_choice_stays_as_it_came() {
        let frame = r#"{"choices":[{"index":0}], "usage":{"cost":1}}"#;
        assert_eq!(without(frame).as_deref(), Some(frame));
    }

    #[test]
    fn an_error_with_usage_stays() {
        let frame = r#"{"choices":[],"usage":{"cost":0},"error":{"message":"no"}}"#;
        assert_eq!(without(frame).as_deref(), Some(frame));
    }
}
