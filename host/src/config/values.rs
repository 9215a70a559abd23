//! Values of the configuration that are checked while they are read.
//!
//! Each is a function for serde's `deserialize_with`, so that the parser adds the place in the file
//! to its error. What several keys must satisfy together is checked in `config`.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::name::ModelRef;
use super::secret::SecretSource;

/// The longest time that can be configured, in seconds: a week.
const MAX_SECONDS: u64 = 7 * 24 * 60 * 60;

/// Reads the address of the gateway: an IP address or `localhost`, and a port.
///
/// # Errors
///
/// In one line, without the place.
pub fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let address = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    address.parse().map_err(|_| {
        format!(
            "`{}` is not an address to listen on (hint: write IP:PORT, for example 127.0.0.1:8080)",
            text.escape_debug()
        )
    })
}

pub(super) fn listen<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    parse_listen(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// A time in which nothing could happen is refused.
pub(super) fn timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let duration = duration(deserializer)?;
    if duration.is_zero() {
        return Err(D::Error::custom("a timeout must be at least 1 second"));
    }
    Ok(duration)
}

pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let seconds = u64::deserialize(deserializer)?;
    if seconds > MAX_SECONDS {
        return Err(D::Error::custom(format_args!("more than {MAX_SECONDS} seconds, a week")));
    }
    Ok(Duration::from_secs(seconds))
}

/// A time that may be a part of a second, and of which the host is to notice something.
pub(super) fn short_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    if !(0.01..=3600.0).contains(&seconds) {
        return Err(D::Error::custom("not from 0.01 to 3600 seconds"));
    }
    Ok(Duration::from_secs_f64(seconds))
}

pub(super) fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        0 => Err(D::Error::custom("the least is 1")),
        number => Ok(number),
    }
}

pub(super) fn body_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    match usize::deserialize(deserializer)? {
        0 => Err(D::Error::custom("a body must have at least 1 byte")),
        bytes => Ok(bytes),
    }
}

pub(super) fn non_empty<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Err(D::Error::custom("the text is empty")) } else { Ok(Some(text)) }
}

/// The address of an upstream. One that holds a password would be shown where addresses are.
pub(super) fn base_url<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let authority = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    if authority.contains('@') {
        return Err(D::Error::custom(
            "the address holds a user name or password (hint: use api_key or headers)",
        ));
    }
    let no_blank = !text.contains(|letter: char| letter.is_whitespace() || letter.is_control());
    if authority.is_empty() || !no_blank {
        return Err(D::Error::custom(
            "not an http address (hint: write it like https://api.example.com/v1)",
        ));
    }
    Ok(Some(text))
}

pub(super) fn headers<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, SecretSource>, D::Error> {
    let headers = BTreeMap::<HeaderName, SecretSource>::deserialize(deserializer)?;
    Ok(headers.into_iter().map(|(name, value)| (name.0, value)).collect())
}

/// The name of an HTTP header, in lower case (RFC 9110, section 5.1).
#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(try_from = "String")]
struct HeaderName(String);

impl TryFrom<String> for HeaderName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let is_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(format!("`{}` is not the name of a header", name.escape_debug()));
        }
        Ok(Self(name.to_ascii_lowercase()))
    }
}

/// A plugin's own options as JSON, the form in which they reach it.
pub(super) fn options<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Map<String, Value>, D::Error> {
    let table = toml::Table::deserialize(deserializer)?;
    json_table(table).map_err(D::Error::custom)
}

fn json_table(table: toml::Table) -> Result<Map<String, Value>, String> {
    table.into_iter().map(|(key, value)| Ok((key, json(value)?))).collect()
}

fn json(value: toml::Value) -> Result<Value, String> {
    Ok(match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => serde_json::Number::from_f64(number)
            .map(Value::Number)
            .ok_or("an option's number must be finite")?,
        toml::Value::Boolean(flag) => flag.into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(items) => {
            Value::Array(items.into_iter().map(json).collect::<Result<_, _>>()?)
        }
        toml::Value::Table(table) => Value::Object(json_table(table)?),
    })
}

pub(super) fn routes<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, ModelRef>, D::Error> {
    let routes = BTreeMap::<RouteName, RouteTarget>::deserialize(deserializer)?;
    Ok(routes.into_iter().map(|(name, target)| (name.0, target.0)).collect())
}

#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(try_from = "String")]
struct RouteName(String);

impl TryFrom<String> for RouteName {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, &'static str> {
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err("a route's name is a text of one line, as a client sends it");
        }
        Ok(Self(name))
    }
}

struct RouteTarget(ModelRef);

impl<'de> Deserialize<'de> for RouteTarget {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TargetVisitor)
    }
}

struct TargetVisitor;

impl<'de> Visitor<'de> for TargetVisitor {
    type Value = RouteTarget;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("INSTANCE/MODEL, or a list with one of them")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<RouteTarget, E> {
        text.parse().map(RouteTarget).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut targets: A) -> Result<RouteTarget, A::Error> {
        let Some(target) = targets.next_element::<ModelRef>()? else {
            return Err(A::Error::custom("a route needs a target (hint: write INSTANCE/MODEL)"));
        };
        if targets.next_element::<ModelRef>()?.is_some() {
            return Err(A::Error::custom(
                "several targets are not supported yet (hint: keep one of them)",
            ));
        }
        Ok(RouteTarget(target))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_to_listen_on_is_an_ip_or_localhost_and_a_port() {
        assert_eq!(parse_listen("localhost:80").unwrap().to_string(), "127.0.0.1:80");
        assert_eq!(parse_listen("[::1]:0").unwrap().to_string(), "[::1]:0");
        for text in ["8080", "127.0.0.1", "localhost", "example.com:80", "127.0.0.1:99999"] {
            assert!(parse_listen(text).unwrap_err().contains("not an address to listen on"));
        }
    }
}
