//! What differs between two JSON values, in words, each difference with its place.

use serde_json::Value;

/// The differences found so far.
#[derive(Default)]
pub(super) struct Differences(pub(super) Vec<String>);

impl Differences {
    /// Both must be the same value.
    pub(super) fn equal(&mut self, place: &str, expected: &Value, actual: &Value) {
        self.contained(place, expected, actual);
        if let (Value::Object(expected), Value::Object(actual)) = (expected, actual) {
            let added = actual.keys().filter(|name| !expected.contains_key(*name));
            self.0.extend(added.map(|name| format!("{place}.{name}: was added")));
        }
        self.inside(place, expected, actual, Self::equal);
    }

    /// Everything that is expected must be there; more may be.
    pub(super) fn contained(&mut self, place: &str, expected: &Value, actual: &Value) {
        match (expected, actual) {
            (Value::Object(members), Value::Object(actual)) => {
                let lost = members.keys().filter(|name| !actual.contains_key(*name));
                self.0.extend(lost.map(|name| format!("{place}.{name}: was lost")));
            }
            (Value::Array(items), Value::Array(actual)) if items.len() == actual.len() => {}
            _ if expected == actual => {}
            _ => {
                let (expected, actual) = (short(expected), short(actual));
                self.0.push(format!("{place}: expected {expected}, got {actual}"));
            }
        }
    }

    /// As [`contained`](Self::contained), for everything inside as well.
    pub(super) fn contained_deep(&mut self, place: &str, expected: &Value, actual: &Value) {
        self.contained(place, expected, actual);
        self.inside(place, expected, actual, Self::contained_deep);
    }

    fn inside(
        &mut self,
        place: &str,
        expected: &Value,
        actual: &Value,
        compare: fn(&mut Self, &str, &Value, &Value),
    ) {
        match (expected, actual) {
            (Value::Object(members), Value::Object(actual)) => {
                for (name, member) in members {
                    if let Some(actual) = actual.get(name) {
                        compare(self, &format!("{place}.{name}"), member, actual);
                    }
                }
            }
            (Value::Array(items), Value::Array(actual)) if items.len() == actual.len() => {
                for (index, (item, actual)) in items.iter().zip(actual).enumerate() {
                    compare(self, &format!("{place}[{index}]"), item, actual);
                }
            }
            _ => {}
        }
    }
}

/// The start of a value's text.
fn short(value: &Value) -> String {
    let text = value.to_string();
    let end = text.floor_char_boundary(200);
    if end < text.len() { format!("{}…", &text[..end]) } else { text }
}

/// The value without the members that are null, at any depth.
pub(super) fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .filter(|(_, member)| !member.is_null())
            .map(|(name, member)| (name.clone(), without_nulls(member)))
            .collect(),
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        scalar => scalar.clone(),
    }
}
