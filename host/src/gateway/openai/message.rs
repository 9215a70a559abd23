//! A message in `OpenAI`'s shape → the normalised message.
//!
//! Besides `OpenAI`'s own members it accepts what services that speak the dialect add and want to
//! see again: `reasoning_content`, `reasoning`, `reasoning_details`, `images`. The parts of an
//! assistant's message are ordered reasoning, content, refusal, sound, calls, unless the details of
//! the reasoning say where they stood.

use allos_plugin_api::{Extra, Message, Part, RefusalPart, Role, ToolResult};
use serde_json::Value;

use super::order::{Place, in_order};
use super::part::{content, part, spoken};
use super::reasoning::{details, merge};
use super::tool::tool_call;
use super::vendor::provider_data;
use crate::gateway::json::{Invalid, Path, items, members, text};

/// What the members of a message say, before its role decides what it means.
#[derive(Debug, Default)]
struct Draft {
    role: Option<Role>,
    content: Option<Vec<Part>>,
    name: Option<String>,
    tool_call_id: Option<String>,
    reasoning: Option<String>,
    details: Vec<(Part, Place)>,
    refusal: Option<String>,
    audio: Option<Part>,
    images: Vec<Part>,
    calls: Vec<Part>,
    extra: Extra,
}

/// Reads a message.
pub(super) fn message(value: Value, path: Path<'_>) -> Result<Message, Invalid> {
    let mut draft = Draft::default();
    for (name, value) in members(value, path)? {
        let at = path.member(&name);
        match name.as_str() {
            "role" => draft.role = Some(role(&text(value, at)?, at)?),
            "content" => draft.content = Some(content(value, at)?),
            "name" => draft.name = Some(text(value, at)?),
            "tool_call_id" => draft.tool_call_id = Some(text(value, at)?),
            "tool_calls" => draft.calls = items(value, at, tool_call)?,
            "refusal" => draft.refusal = Some(text(value, at)?),
            "reasoning_content" | "reasoning" if value.is_string() => {
                let text = text(value, at)?;
                if !text.is_empty() || draft.reasoning.is_none() {
                    draft.reasoning = Some(text);
                }
            }
            "reasoning_details" => draft.details = details(value, at)?,
            "audio" => draft.audio = Some(spoken(value, at)?),
            "images" => draft.images = items(value, at, part)?,
            _ => {
                draft.extra.insert(name, value);
            }
        }
    }
    draft.finish(path)
}

impl Draft {
    fn finish(mut self, path: Path<'_>) -> Result<Message, Invalid> {
        let role = self.role.take().ok_or_else(|| Invalid::missing(path.member("role")))?;
        if self.content.is_none() && role != Role::Assistant {
            return Err(Invalid::missing(path.member("content")));
        }
        if role == Role::Tool { self.tool_result(path) } else { Ok(self.into_message(role)) }
    }

    fn into_message(mut self, role: Role) -> Message {
        if let Some(data) = self.extra.get("extra_content") {
            attach(data, self.content.as_deref_mut().unwrap_or_default());
        }
        let refusal = |text| Part::Refusal(RefusalPart { text, ..RefusalPart::default() });
        let mut rest = Vec::from_iter(self.refusal.map(refusal));
        rest.extend(self.audio);
        rest.extend(self.images);
        let details = merge(self.reasoning, self.details);
        let parts = in_order(details, self.content.unwrap_or_default(), rest, self.calls);
        Message { role, content: parts, name: self.name, extra: self.extra }
    }

    fn tool_result(self, path: Path<'_>) -> Result<Message, Invalid> {
        let missing = || Invalid::missing(path.member("tool_call_id"));
        let result = ToolResult {
            tool_call_id: self.tool_call_id.ok_or_else(missing)?,
            tool_name: self.name.clone(),
            content: self.content.unwrap_or_default(),
            ..ToolResult::default()
        };
        let content = vec![Part::ToolResult(result)];
        Ok(Message { role: Role::Tool, content, name: self.name, extra: self.extra })
    }
}

fn role(word: &str, path: Path<'_>) -> Result<Role, Invalid> {
    match Role::from(word) {
        // What became of a function that was called before there were tools. Its vendor still takes
        // it, so it goes there under its own name.
        Role::Other(word) if word == "function" => Ok(Role::Other(word)),
        Role::Other(word) => Err(Invalid::value(
            path,
            format_args!(
                "`{word}` is no role (hint: use system, developer, user, assistant or tool)"
            ),
        )),
        role => Ok(role),
    }
}

/// Gives the last text what its vendor wants to see again, from where a reply put it: Google's
/// `extra_content`, by the name of the format.
fn attach(extra_content: &Value, parts: &mut [Part]) {
    let text = parts.iter_mut().rev().find_map(|part| match part {
        Part::Text(text) => Some(text),
        _ => None,
    });
    if let Some(text) = text {
        text.provider_data = provider_data(extra_content);
    }
}
