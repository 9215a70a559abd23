//! Reads a client's JSON by member, and says by path what is wrong with it
//! (`messages[2].content[0].image_url.url`).
//!
//! Values are taken out of the tree, not copied. A member that is null counts as absent. What the
//! members mean is each dialect's own.

use std::fmt;

use serde_json::Value;

/// The place of a value in the body. It is written out only for an error.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Path<'a> {
    /// The body itself.
    Body,
    /// A member of an object.
    Member(&'a Path<'a>, &'a str),
    /// An item of a list.
    Item(&'a Path<'a>, usize),
}

impl Path<'_> {
    /// The place of a member of the object here.
    pub(crate) fn member<'b>(&'b self, name: &'b str) -> Path<'b> {
        Path::Member(self, name)
    }

    /// The place of an item of the list here.
    pub(crate) fn item(&self, index: usize) -> Path<'_> {
        Path::Item(self, index)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body => Ok(()),
            Self::Member(Self::Body, name) => formatter.write_str(name),
            Self::Member(outer, name) => write!(formatter, "{outer}.{name}"),
            Self::Item(outer, index) => write!(formatter, "{outer}[{index}]"),
        }
    }
}

/// What is wrong with a member of the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invalid {
    /// The place of the member; empty for the body itself.
    pub(crate) param: String,
    /// What is wrong there, in one line.
    pub(crate) message: String,
    /// The word for it in `OpenAI`'s errors.
    pub(crate) code: &'static str,
}

impl Invalid {
    /// A value of the right type that cannot be used.
    pub(crate) fn value(path: Path<'_>, message: impl fmt::Display) -> Self {
        Self::new(path, "invalid_value", message)
    }

    /// A member that must be there and is not.
    pub(crate) fn missing(path: Path<'_>) -> Self {
        Self::new(path, "missing_required_parameter", "required but missing")
    }

    /// A value of another type than the member has.
    pub(crate) fn wrong_type(path: Path<'_>, expected: &str, value: &Value) -> Self {
        let message = format_args!("expected {expected}, got {}", kind(value));
        Self::new(path, "invalid_type", message)
    }

    fn new(path: Path<'_>, code: &'static str, message: impl fmt::Display) -> Self {
        let param = path.to_string();
        let place = if param.is_empty() { "the body" } else { &param };
        Self { message: format!("{place}: {message}"), param, code }
    }
}

/// The members of an object that are not null, in the order of the text.
pub(crate) fn members(
    value: Value,
    path: Path<'_>,
) -> Result<impl Iterator<Item = (String, Value)> + use<>, Invalid> {
    match value {
        Value::Object(members) => Ok(members.into_iter().filter(|(_, value)| !value.is_null())),
        other => Err(Invalid::wrong_type(path, "an object", &other)),
    }
}

/// The items of a list, each read by `read` at its own place.
pub(crate) fn items<T>(
    value: Value,
    path: Path<'_>,
    read: impl Fn(Value, Path<'_>) -> Result<T, Invalid>,
) -> Result<Vec<T>, Invalid> {
    match value {
        Value::Array(items) => items
            .into_iter()
            .enumerate()
            .map(|(index, item)| read(item, path.item(index)))
            .collect(),
        other => Err(Invalid::wrong_type(path, "a list", &other)),
    }
}

/// A string.
pub(crate) fn text(value: Value, path: Path<'_>) -> Result<String, Invalid> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(Invalid::wrong_type(path, "a string", &other)),
    }
}

/// The name of a model, of which there is none without characters.
pub(crate) fn model(value: Value, path: Path<'_>) -> Result<String, Invalid> {
    match text(value, path)? {
        name if name.is_empty() => Err(Invalid::value(path, "must not be empty")),
        name => Ok(name),
    }
}

/// True or false.
pub(crate) fn boolean(value: &Value, path: Path<'_>) -> Result<bool, Invalid> {
    value.as_bool().ok_or_else(|| Invalid::wrong_type(path, "true or false", value))
}

/// A number of any kind.
pub(crate) fn number(value: &Value, path: Path<'_>) -> Result<f64, Invalid> {
    value.as_f64().ok_or_else(|| Invalid::wrong_type(path, "a number", value))
}

/// A whole number that may be negative.
pub(crate) fn integer(value: &Value, path: Path<'_>) -> Result<i64, Invalid> {
    value.as_i64().ok_or_else(|| Invalid::wrong_type(path, "a whole number of 64 bits", value))
}

/// A count.
pub(crate) fn count(value: &Value, path: Path<'_>) -> Result<u64, Invalid> {
    value.as_u64().ok_or_else(|| Invalid::wrong_type(path, "a whole number from 0", value))
}

/// A count that is not large.
pub(crate) fn small_count(value: &Value, path: Path<'_>) -> Result<u32, Invalid> {
    let count = count(value, path)?;
    u32::try_from(count).map_err(|_| Invalid::value(path, format_args!("{count} is too large")))
}

/// What a value is, for an error; numbers are shown, as the reader looks for them.
fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => format!("the number {value}"),
        Value::String(_) => "a string".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_wrong_type_is_named_by_its_path() {
        let messages = Path::Body.member("messages");
        let item = messages.item(2);
        let invalid = text(json!(5), item.member("content"));
        let invalid = invalid.err().map(|invalid| (invalid.param, invalid.message));
        let path = "messages[2].content".to_owned();
        let message = "messages[2].content: expected a string, got the number 5".to_owned();
        assert_eq!(invalid, Some((path, message)));
    }

    #[test]
    fn a_null_member_counts_as_absent() -> Result<(), Invalid> {
        let members = members(json!({"a": null, "b": 1}), Path::Body)?;
        assert_eq!(members.collect::<Vec<_>>(), [("b".to_owned(), json!(1))]);
        Ok(())
    }
}
