//! Values as bytes: MessagePack with field names, so that either side may know more than the other.

use allos_plugin_abi::Payload;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{ErrorKind, ProviderError};

/// The longest payload that is read, in bytes. A plugin that returns more is refused, not obeyed.
pub const MAX_PAYLOAD: usize = 256 * 1024 * 1024;

/// Encodes a value for the other side.
///
/// # Errors
///
/// Where the value holds what no payload can (a map with keys that are no strings).
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Payload, ProviderError> {
    rmp_serde::to_vec_named(value).map(Payload::from).map_err(|error| {
        ProviderError::new(
            ErrorKind::Other("encoding".to_owned()),
            format!("a payload cannot be encoded: {error}"),
        )
    })
}

/// Decodes a value that the other side has encoded. Unknown fields are ignored.
///
/// # Errors
///
/// Where the bytes are no such value, or are longer than [`MAX_PAYLOAD`].
pub fn decode<T: DeserializeOwned>(payload: &[u8]) -> Result<T, ProviderError> {
    check_length(payload)?;
    rmp_serde::from_slice(payload).map_err(|error| {
        ProviderError::malformed_reply(format!(
            "a payload that crossed the plugin boundary cannot be read: {error}"
        ))
    })
}

/// Refuses a payload that is longer than [`MAX_PAYLOAD`].
///
/// # Errors
///
/// Of kind `malformed_reply`, with both lengths.
pub fn check_length(payload: &[u8]) -> Result<(), ProviderError> {
    if payload.len() <= MAX_PAYLOAD {
        return Ok(());
    }
    Err(ProviderError::malformed_reply(format!(
        "a payload of {} MiB crossed the plugin boundary, more than the {} MiB allowed",
        payload.len() / (1024 * 1024),
        MAX_PAYLOAD / (1024 * 1024),
    )))
}

/// Decodes an error; one that cannot be read becomes an error about that.
pub fn decode_error(payload: &[u8]) -> ProviderError {
    decode(payload).unwrap_or_else(|error| error)
}

/// Encodes an error. It always can be: its fields are texts and numbers.
pub fn encode_error(error: &ProviderError) -> Payload {
    encode(error).unwrap_or_default()
}
