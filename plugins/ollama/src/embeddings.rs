//! Embeddings, both ways.
//!
//! - <https://docs.ollama.com/api/embed>

use allos_plugin_api::json::{items, object, word};
use allos_plugin_api::{
    EmbedInput, EmbedRequest, EmbedResponse, HttpResponse, ProviderError, Warnings,
};
use serde_json::{Value, json};

use crate::config::Options;
use crate::error;
use crate::request::add_extra;
use crate::response::read_usage;

/// The body of a request, and what of it is ignored.
pub(crate) fn write(
    request: &EmbedRequest,
    options: &Options,
) -> Result<(String, Warnings), ProviderError> {
    let mut warnings = Warnings::default();
    let inputs = request.inputs.iter().map(write_input).collect::<Result<_, _>>()?;
    let mut body = object([("model", json!(request.model)), ("input", Value::Array(inputs))]);
    for (name, value) in [
        ("dimensions", request.dimensions.map(Value::from)),
        ("keep_alive", options.keep_alive.clone()),
    ] {
        body.extend(value.map(|value| (name.to_owned(), value)));
    }
    if request.user.is_some() {
        warnings.ignore("user");
    }
    add_extra(&request.extra, &mut body, options.of_the_model(), &mut warnings)?;
    Ok((Value::Object(body).to_string(), warnings))
}

fn write_input(input: &EmbedInput) -> Result<Value, ProviderError> {
    match input {
        EmbedInput::Text(input) => Ok(json!(input.text)),
        _ => Err(ProviderError::unsupported("an input that is not text").with_param("input")),
    }
}

/// Reads a reply: a vector for each input.
pub(crate) async fn read(
    mut response: HttpResponse,
    request: &EmbedRequest,
    warnings: Warnings,
) -> Result<EmbedResponse, ProviderError> {
    let (reply, body) = response.read_json().await?;
    if let Some(error) = error::in_reply(&reply, &body) {
        return Err(error);
    }
    let vectors = items(&reply["embeddings"]).iter().map(read_vector).collect::<Option<Vec<_>>>();
    let embeddings = vectors.filter(|vectors| vectors.len() == request.inputs.len());
    let embeddings = embeddings.ok_or_else(|| {
        ProviderError::malformed_reply("the upstream's reply has no vector for each input")
            .with_upstream_text(&body)
    })?;
    Ok(EmbedResponse {
        model: word(&reply["model"]),
        embeddings,
        usage: read_usage(&reply),
        warnings: warnings.into_vec(),
        upstream_request_id: response.request_id().map(str::to_owned),
        headers: response.caller_headers(),
        body: None,
    })
}

fn read_vector(list: &Value) -> Option<Vec<f64>> {
    list.as_array()?.iter().map(Value::as_f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_sent_with_the_options_of_the_instance_and_of_the_request() {
        let mut request = EmbedRequest {
            model: "m".to_owned(),
            inputs: vec![EmbedInput::text("a"), EmbedInput::text("b")],
            dimensions: Some(8),
            ..EmbedRequest::default()
        };
        request.extra.insert("truncate".to_owned(), json!(false));
        let options = json!({ "keep_alive": "1m", "model_options": { "num_gpu": 0 } });
        let options = serde_json::from_value(options).unwrap();
        let (body, warnings) = write(&request, &options).unwrap();
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            body,
            json!({ "model": "m", "input": ["a", "b"], "dimensions": 8, "keep_alive": "1m",
                "truncate": false, "options": { "num_gpu": 0 } })
        );
        assert!(warnings.into_vec().is_empty());
    }

    #[test]
    fn tokens_are_refused() {
        let tokens = serde_json::from_value(json!({ "type": "tokens", "tokens": [1] })).unwrap();
        assert!(write_input(&tokens).is_err());
    }
}
