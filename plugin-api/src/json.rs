//! Reading and writing JSON whose shape a vendor decides, and may extend tomorrow.

use serde_json::{Map, Value};

use crate::message::Extra;

/// A text that is there and not empty.
pub fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
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
    let time = time.as_str()?;
    let number = |at: usize, length: usize| time.get(at..at + length)?.parse::<u32>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
    let seconds = number(11, 2)? * 3600 + number(14, 2)? * 60 + number(17, 2)?;
    let zone = time.get(19..)?.trim_start_matches(|it: char| it == '.' || it.is_ascii_digit());
    // Days of the Gregorian calendar, in years that begin with March.
    let (year, month) =
        if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    let local = (i64::from(days) - 719_469) * 86_400 + i64::from(seconds);
    u64::try_from(local - offset(zone)?).ok()
}

/// How far a zone (`Z`, `+02:00`) is ahead, in seconds.
fn offset(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let seconds = hours.parse::<u8>().ok().map(i64::from)? * 3600
        + minutes.parse::<u8>().ok().map(i64::from)? * 60;
    match zone.get(..1)? {
        "+" => Some(seconds),
        "-" => Some(-seconds),
        _ => None,
    }
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
