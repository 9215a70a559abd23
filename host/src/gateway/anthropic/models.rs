//! The models in Anthropic's shape. <https://docs.anthropic.com/en/api/models-list>

use serde_json::{Value, json};

use crate::gateway::models::Listed;

/// All models, on one page.
pub(crate) fn list(models: &[Listed]) -> Value {
    let data: Vec<Value> = models.iter().map(model).collect();
    json!({
        "data": data,
        "has_more": false,
        "first_id": models.first().map(|first| &first.id),
        "last_id": models.last().map(|last| &last.id),
    })
}

/// One model. Its birth is 1970 where nobody knows it, as Anthropic writes it too.
pub(crate) fn model(listed: &Listed) -> Value {
    let Listed { id, model, .. } = listed;
    let mut written = json!({
        "type": "model",
        "id": id,
        "display_name": model.display_name.as_deref().unwrap_or(id),
        "created_at": timestamp(model.created.unwrap_or(0)),
    });
    let facts =
        [("max_input_tokens", model.context_window), ("max_tokens", model.max_output_tokens)];
    for (name, fact) in facts {
        if let Some(fact) = fact {
            written[name] = fact.into();
        }
    }
    written
}

/// Seconds since 1970 as a date and a time of RFC 3339.
///
/// The calendar of four hundred years repeats; counted from the first of March, the day that some
/// years have more is the last of its year.
fn timestamp(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year + next;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_a_date() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00Z");
        assert_eq!(timestamp(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(timestamp(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(timestamp(951_868_800), "2000-03-01T00:00:00Z");
        assert_eq!(timestamp(1_798_761_599), "2026-12-31T23:59:59Z");
    }
}
