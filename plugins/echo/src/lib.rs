//! A provider that answers with what it was told.
//!
//! It needs no key, no network and no configuration: what a newcomer runs first, and the shortest
//! complete plugin to read. A word counts as a token. Whatever would change the answer and cannot
//! be done is refused; whatever would only tune it is a warning.

#![forbid(unsafe_code)]

use allos_plugin_api::{
    ChatRequest, ChunkSink, ErrorKind, Event, Finish, FinishReason, Host, Message, Model, Provider,
    ProviderChunk, ProviderConfig, ProviderError, ResponseFormat, Role, Start, TokenCount, Usage,
    provider,
};

const MODEL: &str = "echo";
const CONTEXT_WINDOW: u64 = 8192;

/// Answers with the text of the last message of the user.
pub struct Echo;

#[provider("echo")]
impl Provider for Echo {
    fn new(_config: ProviderConfig, _host: Host) -> Result<Self, ProviderError> {
        Ok(Self)
    }

    async fn stream_chat(
        &self,
        request: ChatRequest,
        chunks: &mut ChunkSink,
    ) -> Result<(), ProviderError> {
        check_model(&request.model)?;
        refuse_what_changes_the_answer(&request)?;
        let heard = last_words_of_the_user(&request)?;
        let words = heard.split_inclusive(char::is_whitespace);
        let (answer, finish) = within_limit(words.collect(), request.max_output_tokens);

        let model = Some(MODEL.to_owned());
        let start = Start { model, warnings: warnings(&request), ..Start::default() };
        chunks.send(Event::Start(start)).await;
        for word in &answer {
            chunks.send(ProviderChunk::text(*word)).await;
        }
        chunks.send(ProviderChunk::finish(finish)).await;
        chunks.send(Event::Usage(usage(&request, &answer.concat()))).await;
        Ok(())
    }

    async fn context_window(&self, model: &str) -> Result<Option<u64>, ProviderError> {
        Ok((model == MODEL).then_some(CONTEXT_WINDOW))
    }

    async fn models(&self) -> Result<Vec<Model>, ProviderError> {
        Ok(vec![Model { context_window: Some(CONTEXT_WINDOW), ..Model::new(MODEL) }])
    }

    async fn count_tokens(&self, request: ChatRequest) -> Result<TokenCount, ProviderError> {
        check_model(&request.model)?;
        Ok(TokenCount { input_tokens: words_read(&request), body: None })
    }
}

fn check_model(model: &str) -> Result<(), ProviderError> {
    if model == MODEL {
        return Ok(());
    }
    let error =
        ProviderError::new(ErrorKind::ModelNotFound, format!("there is no model `{model}`"));
    Err(error.with_hint(format!("the only model is `{MODEL}`")))
}

fn refuse_what_changes_the_answer(request: &ChatRequest) -> Result<(), ProviderError> {
    let is_text = matches!(request.response_format, None | Some(ResponseFormat::Text(_)));
    let asked = [
        ("tools", !request.tools.is_empty()),
        ("response_format", !is_text),
        ("n", request.choices.unwrap_or(1) > 1),
        ("logprobs", request.logprobs == Some(true)),
    ];
    match asked.into_iter().find(|(_, asked)| *asked) {
        Some((name, _)) => Err(ProviderError::unsupported(name).with_param(name)),
        None => Ok(()),
    }
}

/// The text of the user's last message, up to the first stop sequence in it.
fn last_words_of_the_user(request: &ChatRequest) -> Result<String, ProviderError> {
    let last = request.messages.iter().rfind(|message| message.role == Role::User);
    let mut text = last
        .map(Message::text)
        .ok_or_else(|| ProviderError::invalid_request("there is no message of the user to echo"))?;
    let stops = request.stop.iter().filter(|stop| !stop.is_empty());
    if let Some(end) = stops.filter_map(|stop| text.find(stop)).min() {
        text.truncate(end);
    }
    Ok(text)
}

/// As many words as the request allows, and why the answer ends after them.
fn within_limit(mut words: Vec<&str>, limit: Option<u64>) -> (Vec<&str>, FinishReason) {
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    if words.len() <= limit {
        return (words, FinishReason::new(Finish::Stop, "stop"));
    }
    words.truncate(limit);
    (words, FinishReason::new(Finish::Length, "length"))
}

/// What is asked, tunes the sampling elsewhere, and does nothing here.
fn warnings(request: &ChatRequest) -> Vec<String> {
    let asked = [
        ("temperature", request.temperature.is_some()),
        ("top_p", request.top_p.is_some()),
        ("top_k", request.top_k.is_some()),
        ("frequency_penalty", request.frequency_penalty.is_some()),
        ("presence_penalty", request.presence_penalty.is_some()),
        ("seed", request.seed.is_some()),
        ("reasoning_effort", request.reasoning.is_some()),
    ];
    let tuning = asked.into_iter().filter_map(|(name, asked)| asked.then_some(name));
    tuning
        .chain(request.extra.keys().map(String::as_str))
        .map(|name| format!("ignored: {name}"))
        .collect()
}

fn usage(request: &ChatRequest, answer: &str) -> Usage {
    let output_tokens = Some(count_words(answer));
    Usage { input_tokens: Some(words_read(request)), output_tokens, ..Usage::default() }
}

fn words_read(request: &ChatRequest) -> u64 {
    request.messages.iter().map(|message| count_words(&message.text())).sum()
}

fn count_words(text: &str) -> u64 {
    text.split_whitespace().map(|_| 1).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> ChatRequest {
        ChatRequest::new(MODEL, vec![Message::system("be brief"), Message::user(text)])
    }

    #[test]
    fn the_answer_ends_before_the_first_stop_sequence() {
        let stop = vec![String::new(), "three".to_owned(), "two".to_owned()];
        let request = ChatRequest { stop, ..asked("one two three") };
        assert_eq!(last_words_of_the_user(&request).unwrap(), "one ");
    }

    #[test]
    fn the_answer_has_no_more_words_than_allowed() {
        let (words, finish) = within_limit(vec!["one ", "two ", "three"], Some(2));
        assert_eq!((words.concat().as_str(), finish.unified), ("one two ", Finish::Length));
        assert_eq!(within_limit(vec!["one"], Some(1)).1.unified, Finish::Stop);
    }

    #[test]
    fn what_would_change_the_answer_is_refused_by_name() {
        let request = ChatRequest { choices: Some(2), ..asked("hello") };
        let error = refuse_what_changes_the_answer(&request).unwrap_err();
        assert_eq!((error.kind(), error.param()), (&ErrorKind::Unsupported, Some("n")));
    }

    #[test]
    fn what_would_only_tune_the_answer_is_a_warning() {
        let request = ChatRequest { temperature: Some(0.0), ..asked("hello") };
        assert_eq!(warnings(&request), ["ignored: temperature"]);
    }

    #[test]
    fn words_are_counted_in_all_messages() {
        assert_eq!(words_read(&asked(" hello,  world ")), 4);
    }
}
