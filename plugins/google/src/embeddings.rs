//! Embeddings, both ways.
//!
//! - <https://ai.google.dev/api/embeddings>

use allos_google_generate::{read_usage, resource};
use allos_plugin_api::json::items;
use allos_plugin_api::{
    EmbedInput, EmbedRequest, EmbedResponse, HttpResponse, ProviderError, Warnings,
};
use serde_json::{Map, Value, json};

use crate::models;

/// Members of a request that only Google has. In which form the client wants the numbers is the
/// gateway's business.
const MEMBERS: [&str; 4] = ["task_type", "taskType", "title", "encoding_format"];

/// The body of a request, and what of it is ignored.
pub(crate) fn write(request: &EmbedRequest) -> Result<(Value, Warnings), ProviderError> {
    let mut warnings = Warnings::default();
    if request.user.is_some() {
        warnings.ignore("user");
    }
    let mut each = Map::new();
    warnings.keep_known(&request.extra, &MEMBERS, "", &mut each);
    each.remove("encoding_format");
    each.insert("model".to_owned(), json!(resource(&request.model)));
    if let Some(dimensions) = request.dimensions {
        each.insert("outputDimensionality".to_owned(), json!(dimensions));
    }
    let write = |input: &EmbedInput| match input {
        EmbedInput::Text(input) => {
            let mut one = each.clone();
            one.insert("content".to_owned(), json!({ "parts": [{ "text": input.text }] }));
            Ok(Value::Object(one))
        }
        _ => Err(ProviderError::unsupported("an input that is not text")),
    };
    let requests: Vec<_> = request.inputs.iter().map(write).collect::<Result<_, _>>()?;
    Ok((json!({ "requests": requests }), warnings))
}

/// Reads a reply to so many inputs.
pub(crate) async fn read(
    mut response: HttpResponse,
    inputs: usize,
    warnings: Warnings,
) -> Result<EmbedResponse, ProviderError> {
    let (reply, body) = models::read(&mut response).await?;
    let embeddings: Option<Vec<_>> = items(&reply["embeddings"]).iter().map(read_vector).collect();
    let embeddings = embeddings.filter(|vectors| vectors.len() == inputs).ok_or_else(|| {
        ProviderError::malformed_reply("the upstream's reply has not one embedding for each input")
            .with_upstream_text(&body)
    })?;
    Ok(EmbedResponse {
        embeddings,
        usage: read_usage(&reply["usageMetadata"]),
        warnings: warnings.into_vec(),
        upstream_request_id: response.request_id().map(str::to_owned),
        headers: response.caller_headers(),
        ..EmbedResponse::default()
    })
}

fn read_vector(embedding: &Value) -> Option<Vec<f64>> {
    embedding["values"].as_array()?.iter().map(Value::as_f64).collect()
}
