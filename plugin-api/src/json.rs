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
