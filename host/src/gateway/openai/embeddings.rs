//! `POST /v1/embeddings`. <https://platform.openai.com/docs/api-reference/embeddings>
//!
//! The upstream's JSON is handed on as it came where its vectors are in the encoding that the
//! client asked for; otherwise the reply is built.

use allos_plugin_api::{Dialect, EmbedInput, EmbedRequest, EmbedResponse, EmbedTokens, RawBody};
use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::Value;

use crate::Target;
use crate::gateway::error::Failure;
use crate::gateway::json::{Invalid, Path, items, members, model, small_count, text};
use crate::gateway::{Shared, body, reply};

/// How the numbers of a vector are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Encoding {
    /// As a list.
    #[default]
    Float,
    /// As base64 of little-endian 32-bit floats.
    Base64,
}

/// Answers a request for embeddings.
pub(super) async fn create(
    State(gateway): State<Shared>,
    request: Request,
) -> Result<Response, Failure> {
    let body::JsonBody { text, value } = body::read(request, gateway.max_body_bytes).await?;
    let (mut request, encoding) = read(value, text)?;
    let Target { provider, model } = gateway.resolve(&request.model)?;
    let name = std::mem::replace(&mut request.model, model);
    let mut reply = provider.embed(request).await?;
    let mut response = match reply.body.take() {
        Some(RawBody { dialect: Dialect::OpenAiChat, json }) if has_encoding(&json, encoding) => {
            reply::json(json)
        }
        _ => Json(written(&reply, encoding, &name)).into_response(),
    };
    let id = reply.upstream_request_id.as_deref();
    response.headers_mut().extend(reply::upstream_headers(&reply.headers, id));
    reply::warn(response.headers_mut(), &reply.warnings);
    Ok(response)
}

fn read(body: Value, json: String) -> Result<(EmbedRequest, Encoding), Invalid> {
    let mut request = EmbedRequest::default();
    let mut encoding = Encoding::default();
    let (mut named, mut input) = (None, None);
    let path = Path::Body;
    for (name, value) in members(body, path)? {
        let at = path.member(&name);
        match name.as_str() {
            "model" => named = Some(model(value, at)?),
            "input" => input = Some(inputs(value, at)?),
            "encoding_format" => encoding = read_encoding(&text(value, at)?, at)?,
            "dimensions" => request.dimensions = Some(small_count(&value, at)?),
            "user" => request.user = Some(text(value, at)?),
            _ => {
                request.extra.insert(name, value);
            }
        }
    }
    request.model = named.ok_or_else(|| Invalid::missing(path.member("model")))?;
    request.inputs = input.ok_or_else(|| Invalid::missing(path.member("input")))?;
    request.body = Some(RawBody::new(Dialect::OpenAiChat, json));
    Ok((request, encoding))
}

fn read_encoding(word: &str, path: Path<'_>) -> Result<Encoding, Invalid> {
    match word {
        "float" => Ok(Encoding::Float),
        "base64" => Ok(Encoding::Base64),
        other => {
            let message = format_args!("`{other}` is no encoding (hint: use float or base64)");
            Err(Invalid::value(path, message))
        }
    }
}

/// One text, a list of texts, one list of tokens, or a list of those.
fn inputs(value: Value, path: Path<'_>) -> Result<Vec<EmbedInput>, Invalid> {
    match value {
        Value::String(text) => Ok(vec![EmbedInput::text(text)]),
        Value::Array(list) if list.is_empty() => Err(Invalid::value(path, "must not be empty")),
        Value::Array(list) if list[0].is_number() => Ok(vec![tokens(Value::Array(list), path)?]),
        Value::Array(list) if list[0].is_array() => items(Value::Array(list), path, tokens),
        Value::Array(list) => {
            items(Value::Array(list), path, |item, at| Ok(EmbedInput::text(text(item, at)?)))
        }
        other => Err(Invalid::wrong_type(path, "a string or a list", &other)),
    }
}

fn tokens(value: Value, path: Path<'_>) -> Result<EmbedInput, Invalid> {
    let tokens = items(value, path, |token, at| small_count(&token, at))?;
    if tokens.is_empty() {
        return Err(Invalid::value(path, "must not be empty"));
    }
    Ok(EmbedInput::Tokens(EmbedTokens { tokens }))
}

/// Whether the vectors of an upstream's reply are in an encoding: the first one shows it.
fn has_encoding(json: &str, encoding: Encoding) -> bool {
    let first = json.match_indices("\"embedding\"").find_map(|(at, name)| {
        let value = json[at + name.len()..].trim_start().strip_prefix(':')?;
        value.trim_start().chars().next()
    });
    match encoding {
        Encoding::Float => first == Some('['),
        Encoding::Base64 => first == Some('"'),
    }
}

/// The reply. <https://platform.openai.com/docs/api-reference/embeddings/create>
#[derive(Serialize)]
struct Written<'a> {
    object: &'static str,
    data: Vec<WrittenVector<'a>>,
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<WrittenUsage>,
}

#[derive(Serialize)]
struct WrittenVector<'a> {
    object: &'static str,
    index: usize,
    embedding: Numbers<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Numbers<'a> {
    Floats(&'a [f64]),
    Base64(String),
}

#[derive(Serialize)]
struct WrittenUsage {
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_tokens: Option<u64>,
}

fn written<'a>(reply: &'a EmbedResponse, encoding: Encoding, name: &'a str) -> Written<'a> {
    let vector = |(index, vector): (usize, &'a Vec<f64>)| WrittenVector {
        object: "embedding",
        index,
        embedding: match encoding {
            Encoding::Float => Numbers::Floats(vector),
            Encoding::Base64 => Numbers::Base64(base64(vector)),
        },
    };
    Written {
        object: "list",
        data: reply.embeddings.iter().enumerate().map(vector).collect(),
        model: reply.model.as_deref().unwrap_or(name),
        usage: reply.usage.as_ref().map(|usage| WrittenUsage {
            prompt_tokens: usage.input_tokens,
            total_tokens: usage.input_tokens,
        }),
    }
}

/// The numbers as 32-bit floats, which is what clients that ask for base64 read.
#[allow(clippy::cast_possible_truncation)] // the format is of single precision
fn base64(vector: &[f64]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|&number| (number as f32).to_le_bytes()).collect();
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_input(input: &Value) -> Result<Vec<EmbedInput>, Invalid> {
        let body = json!({ "model": "m", "input": input });
        read(body, String::new()).map(|(request, _)| request.inputs)
    }

    #[test]
    fn an_input_is_a_text_texts_tokens_or_lists_of_tokens() -> Result<(), Invalid> {
        let tokens = |tokens: &[u32]| EmbedInput::Tokens(EmbedTokens { tokens: tokens.to_vec() });
        assert_eq!(read_input(&json!("a"))?, [EmbedInput::text("a")]);
        let texts = [EmbedInput::text("a"), EmbedInput::text("b")];
        assert_eq!(read_input(&json!(["a", "b"]))?, texts);
        assert_eq!(read_input(&json!([1, 2]))?, [tokens(&[1, 2])]);
        assert_eq!(read_input(&json!([[1], [2, 3]]))?, [tokens(&[1]), tokens(&[2, 3])]);
        Ok(())
    }

    #[test]
    fn a_token_that_is_no_number_is_named() {
        let invalid = read_input(&json!([[1], [2, "x"]])).err();
        assert_eq!(invalid.map(|invalid| invalid.param), Some("input[1][1]".to_owned()));
    }

    #[test]
    fn vectors_are_written_as_asked() {
        let reply = EmbedResponse { embeddings: vec![vec![1.0, -0.5]], ..Default::default() };
        let list = json!(written(&reply, Encoding::Float, "m"));
        assert_eq!(list["data"][0]["embedding"], json!([1.0, -0.5]));
        let list = json!(written(&reply, Encoding::Base64, "m"));
        assert_eq!(list["data"][0]["embedding"], "AACAPwAAAL8=");
    }

    #[test]
    fn the_encoding_of_a_reply_is_seen() {
        let json = r#"{"data":[{"object":"embedding","embedding": "AAAA"}]}"#;
        assert!(has_encoding(json, Encoding::Base64));
        assert!(!has_encoding(json, Encoding::Float));
    }
}
