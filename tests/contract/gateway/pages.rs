//! The pages around the chat: models, health, readiness.

use serde_json::{Value, json};

use super::Served;
use crate::upstream::{Reply, Upstream};

#[tokio::test]
async fn models_are_those_of_every_provider_and_the_routes() {
    let models = json!({"object": "list", "data": [
        {"id": "gpt-script", "object": "model", "created": 7, "owned_by": "script"},
    ]});
    let upstream = Upstream::always(Reply::json(200, &models)).await;
    let toml = format!(
        "[providers.openai]\napi_key = \"key\"\nbase_url = {:?}\n[routes]\nsmart = \"echo/echo\"\n",
        upstream.url("/v1")
    );
    let served = Served::start(&["echo", "openai", "error_from_new"], &toml).await;
    let answer = served.get("/v1/models").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    assert_eq!(body["object"], "list");
    let listed = body["data"].as_array().expect("a list");
    let ids: Vec<_> = listed.iter().filter_map(|it| it["id"].as_str()).collect();
    for id in ["echo/echo", "openai/gpt-script", "smart"] {
        assert!(ids.contains(&id), "{id} is not in {ids:?}");
    }
    for model in listed {
        assert_eq!(model["object"], "model");
        assert!(model["created"].is_u64() && model["owned_by"].is_string(), "{model}");
    }
    assert_eq!(upstream.last().path, "/v1/models");
}

#[tokio::test]
async fn a_provider_that_cannot_list_its_models_hides_no_other() {
    let upstream = Upstream::always(Reply::json(500, &json!({"error": {"message": "no"}}))).await;
    let provider =
        format!("[providers.openai]\napi_key = \"key\"\nbase_url = {:?}\n", upstream.url("/v1"));
    let served = Served::start(&["echo", "openai", "panic_in_chat"], &provider).await;
    let body = served.get("/v1/models").await.json();
    let listed = body["data"].as_array().expect("a list");
    assert!(listed.iter().any(|it| it["id"] == "echo/echo"), "{body}");
}

#[tokio::test]
async fn it_is_alive_always_and_ready_with_a_provider_that_can_answer() {
    let served = Served::echo().await;
    assert_eq!(served.get("/healthz").await.status, 200);
    assert_eq!(served.get("/readyz").await.status, 200);
    let served = Served::start(&["error_from_new", "no_descriptor"], "").await;
    assert_eq!(served.get("/healthz").await.status, 200);
    let answer = served.get("/readyz").await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.json()["status"].is_string(), "{answer:?}");
}

#[tokio::test]
async fn health_needs_no_key_and_models_do() {
    let served = Served::start(&["echo"], "[gateway]\napi_key = \"key-of-the-gateway\"\n").await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(served.get(path).await.status, 200);
    }
    let (status, _, code, _) = served.get("/v1/models").await.error();
    assert_eq!((status, code), (401, Value::from("invalid_api_key")));
}
