//! Embeddings, both ways.
//!
//! - <https://platform.openai.com/docs/api-reference/embeddings>

use allos_openai_chat::{error, read_usage};
use allos_plugin_api::json::{items, word};
use allos_plugin_api::{
    Dialect, EmbedInput, EmbedRequest, EmbedResponse, HttpResponse, ProviderError, RawBody,
    Warnings,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// Members of a request that only this dialect has.
const MEMBERS: [&str; 5] =
    ["encoding_format", "output_dimension", "output_dtype", "input_type", "truncate"];

/// The body of a request, and what of it is ignored.
pub(crate) fn write(request: &EmbedRequest) -> Result<(String, Warnings), ProviderError> {
    if let Some(body) = request.body.as_ref().filter(|body| body.dialect == Dialect::OpenAiChat) {
        let body = body.with_members([("model", Some(json!(request.model)))])?;
        return Ok((body, Warnings::default()));
    }
    let mut warnings = Warnings::default();
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(request.model));
    let inputs = request.inputs.iter().map(write_input).collect::<Result<_, _>>()?;
    body.insert("input".to_owned(), Value::Array(inputs));
    if let Some(dimensions) = request.dimensions {
        body.insert("dimensions".to_owned(), json!(dimensions));
    }
    if let Some(user) = &request.user {
        body.insert("user".to_owned(), json!(user));
    }
    warnings.keep_known(&request.extra, &MEMBERS, "", &mut body);
    Ok((Value::Object(body).to_string(), warnings))
}

fn write_input(input: &EmbedInput) -> Result<Value, ProviderError> {
    match input {
        EmbedInput::Text(input) => Ok(json!(input.text)),
        EmbedInput::Tokens(input) => Ok(json!(input.tokens)),
        _ => Err(ProviderError::unsupported("an input that is neither text nor tokens")),
    }
}

/// Reads a reply.
pub(crate) async fn read(
    mut response: HttpResponse,
    warnings: Warnings,
) -> Result<EmbedResponse, ProviderError> {
    let (reply, body) = response.read_json().await?;
    if let Some(error) = error::in_reply(&reply, &body) {
        return Err(error);
    }
    let embeddings = read_data(&reply).ok_or_else(|| {
        ProviderError::malformed_reply("the upstream's reply has no embeddings that can be read")
            .with_upstream_text(&body)
    })?;
    Ok(EmbedResponse {
        model: word(&reply["model"]),
        embeddings,
        usage: read_usage(&reply["usage"]),
        warnings: warnings.into_vec(),
        upstream_request_id: response.request_id().map(str::to_owned),
        headers: response.caller_headers(),
        body: Some(RawBody::new(Dialect::OpenAiChat, body)),
    })
}

/// The vectors in the order of the inputs.
fn read_data(reply: &Value) -> Option<Vec<Vec<f64>>> {
    let mut data: Vec<_> = items(&reply["data"]).iter().collect();
    data.sort_by_key(|item| item["index"].as_u64());
    let vectors =
        data.iter().map(|item| read_vector(&item["embedding"])).collect::<Option<Vec<_>>>()?;
    (!vectors.is_empty()).then_some(vectors)
}

/// A list of numbers, or base64 of them as 32-bit floats, the least significant byte first.
fn read_vector(value: &Value) -> Option<Vec<f64>> {
    match value {
        Value::String(base64) => {
            let bytes = STANDARD.decode(base64).ok()?;
            let (floats, rest) = bytes.as_chunks::<4>();
            rest.is_empty()
                .then(|| floats.iter().map(|bytes| f64::from(f32::from_le_bytes(*bytes))).collect())
        }
        list => list.as_array()?.iter().map(Value::as_f64).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_and_base64_give_the_same_vectors_in_the_order_of_the_inputs() {
        let base64 = STANDARD.encode([1.5_f32, -0.25].map(f32::to_le_bytes).concat());
        let reply = json!({"data": [
            {"index": 1, "embedding": [1.5, -0.25]},
            {"index": 0, "embedding": base64},
        ]});
        assert_eq!(read_data(&reply), Some(vec![vec![1.5, -0.25]; 2]));
        assert_eq!(read_data(&json!({"data": [{"embedding": "AAA="}]})), None);
        assert_eq!(read_data(&json!({"data": []})), None);
    }
}
