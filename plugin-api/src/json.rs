//! Reading and writing JSON whose shape a vendor decides, and may extend tomorrow.

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::message::Extra;

/// A text that is there and not empty.
pub fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

/// A text that is there and not empty, to keep.
pub fn word(value: &Value) -> Option<String> {
    text(value).map(str::to_owned)
}

/// The items of a list; none where it is absent or null.
pub fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The members of an object that are neither null nor among the names.
pub fn rest(object: &Value, names: &[&str]) -> Extra {
    let members = object.as_object().into_iter().flatten();
    members
        .filter(|(name, value)| !value.is_null() && !names.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// An object from its members.
pub fn object<const N: usize>(members: [(&str, Value); N]) -> Map<String, Value> {
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// An object without the members that are null.
pub fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            Value::Object(members.into_iter().filter(|(_, value)| !value.is_null()).collect())
        }
        other => other,
    }
}

/// A time such as `2026-04-10T13:19:59.948798825Z`, in whole seconds since 1970; nothing where it
/// is before that, or no time. <https://www.rfc-editor.org/rfc/rfc3339>
pub fn unix_seconds(time: &Value) -> Option<u64> {
    let time = OffsetDateTime::parse(time.as_str()?, &Rfc3339).ok()?;
    u64::try_from(time.unix_timestamp()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_every_zone() {
        for (time, seconds) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2023-08-04T08:52:19.385406455-07:00", Some(1_691_164_339)),
            ("2024-02-29T23:59:59+00:00", Some(1_709_251_199)),
            ("2024-03-01T01:59:59+02:00", Some(1_709_251_199)),
            ("0001-01-01T00:00:00Z", None),
            ("0000-01-01T00:00:00Z", None),
            ("2024-02-29", None),
            ("2024-02-29T23:59:59", None),
            ("2024-02-29T23:59:59é", None),
            ("", None),
        ] {
            assert_eq!(unix_seconds(&Value::from(time)), seconds, "{time}");
        }
    }
}
