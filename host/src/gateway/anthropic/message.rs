//! A message in Anthropic's shape → the normalised messages.
//!
//! Here results of tools are blocks of a user's message; the normalised form has a message of its
//! own for each.

use allos_plugin_api::{Extra, Message, Part, Role};
use serde_json::Value;

use super::part::content;
use crate::gateway::json::{Invalid, Path, items, members, text};

/// Reads the conversation.
pub(super) fn messages(value: Value, path: Path<'_>) -> Result<Vec<Message>, Invalid> {
    let turns = items(value, path, message)?;
    Ok(turns.into_iter().flat_map(by_speaker).collect())
}

/// Reads the instructions of the application, which stand beside the conversation.
pub(super) fn system(value: Value, path: Path<'_>) -> Result<Option<Message>, Invalid> {
    let content = content(value, path)?;
    let is_empty = content.iter().all(|part| part.as_text() == Some(""));
    Ok((!is_empty).then(|| Message::new(Role::System, content)))
}

fn message(value: Value, path: Path<'_>) -> Result<Message, Invalid> {
    let (mut speaker, mut said) = (None, None);
    let mut extra = Extra::new();
    for (name, value) in members(value, path)? {
        let at = path.member(&name);
        match name.as_str() {
            "role" => speaker = Some(role(&text(value, at)?, at)?),
            "content" => said = Some(content(value, at)?),
            _ => {
                extra.insert(name, value);
            }
        }
    }
    let role = speaker.ok_or_else(|| Invalid::missing(path.member("role")))?;
    let content = said.ok_or_else(|| Invalid::missing(path.member("content")))?;
    Ok(Message { role, content, name: None, extra })
}

fn role(word: &str, path: Path<'_>) -> Result<Role, Invalid> {
    match Role::from(word) {
        role @ (Role::User | Role::Assistant | Role::System) => Ok(role),
        _ => Err(Invalid::value(
            path,
            format_args!("`{word}` is no role (hint: use user, assistant or system)"),
        )),
    }
}

/// A turn of the user as the messages of those who speak in it: each tool, and the user. What is
/// said of the turn goes with the last of them.
fn by_speaker(turn: Message) -> Vec<Message> {
    let is_result = |part: &Part| matches!(part, Part::ToolResult(_));
    if turn.role != Role::User || !turn.content.iter().any(is_result) {
        return vec![turn];
    }
    let mut messages: Vec<Message> = Vec::new();
    for part in turn.content {
        match messages.last_mut() {
            _ if is_result(&part) => messages.push(Message::new(Role::Tool, vec![part])),
            Some(last) if last.role == Role::User => last.content.push(part),
            _ => messages.push(Message::new(Role::User, vec![part])),
        }
    }
    if let Some(last) = messages.last_mut() {
        last.extra = turn.extra;
    }
    messages
}
