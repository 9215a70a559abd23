//! Anthropic's tools, tool choice, calls and results → the normalised ones.
//! <https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/overview>
//!
//! Tools that Anthropic defines or runs itself, and choices that nobody here has heard of, stay as
//! they came.

use allos_plugin_api::{FunctionTool, Part, ToolCall, ToolChoice, ToolDefinition, ToolResult};
use serde_json::Value;

use super::part::content;
use super::vendor::vendor;
use crate::gateway::json::{Invalid, Path, boolean, members, text};

/// A tool definition. The type of a tool of the client's own may be left out.
pub(super) fn tool(value: Value, path: Path<'_>) -> Result<ToolDefinition, Invalid> {
    if !matches!(value.get("type"), None | Some(Value::Null)) && value["type"] != "custom" {
        return Ok(ToolDefinition::Vendor(vendor(value, path)?));
    }
    let mut tool = FunctionTool::default();
    for (name, value) in members(value, path)? {
        let at = path.member(&name);
        match name.as_str() {
            "type" => {}
            "name" => tool.name = text(value, at)?,
            "description" => tool.description = Some(text(value, at)?),
            "input_schema" => tool.parameters = Some(value),
            "strict" => tool.strict = Some(boolean(&value, at)?),
            _ => {
                tool.extra.insert(name, value);
            }
        }
    }
    if tool.name.is_empty() {
        return Err(Invalid::missing(path.member("name")));
    }
    Ok(ToolDefinition::Function(tool))
}

/// Whether and which tool must be called, and whether several may be called at once.
pub(super) fn tool_choice(
    value: Value,
    path: Path<'_>,
) -> Result<(ToolChoice, Option<bool>), Invalid> {
    let parallel = match value.get("disable_parallel_tool_use") {
        None | Some(Value::Null) => None,
        Some(disabled) => Some(!boolean(disabled, path.member("disable_parallel_tool_use"))?),
    };
    let choice = match value.get("type").and_then(Value::as_str) {
        Some("auto") => ToolChoice::AUTO,
        Some("none") => ToolChoice::NONE,
        Some("any") => ToolChoice::REQUIRED,
        Some("tool") => {
            let at = path.member("name");
            let name = value.get("name").cloned().ok_or_else(|| Invalid::missing(at))?;
            ToolChoice::tool(text(name, at)?)
        }
        _ => ToolChoice::Vendor(vendor(value, path)?),
    };
    Ok((choice, parallel))
}

/// A call that an assistant's message brings back.
pub(super) fn tool_use(value: Value, path: Path<'_>) -> Result<Part, Invalid> {
    let mut call = ToolCall::default();
    for (name, value) in members(value, path)? {
        let at = path.member(&name);
        match name.as_str() {
            "type" => {}
            "id" => call.id = text(value, at)?,
            "name" => call.name = text(value, at)?,
            "input" => call.arguments = value.to_string(),
            _ => {
                call.extra.insert(name, value);
            }
        }
    }
    for (name, is_missing) in [("id", call.id.is_empty()), ("name", call.name.is_empty())] {
        if is_missing {
            return Err(Invalid::missing(path.member(name)));
        }
    }
    Ok(Part::ToolCall(call))
}

/// What a tool answered.
pub(super) fn tool_result(value: Value, path: Path<'_>) -> Result<Part, Invalid> {
    let mut result = ToolResult::default();
    for (name, value) in members(value, path)? {
        let at = path.member(&name);
        match name.as_str() {
            "type" => {}
            "tool_use_id" => result.tool_call_id = text(value, at)?,
            "content" => result.content = content(value, at)?,
            "is_error" => result.is_error = boolean(&value, at)?,
            _ => {
                result.extra.insert(name, value);
            }
        }
    }
    if result.tool_call_id.is_empty() {
        return Err(Invalid::missing(path.member("tool_use_id")));
    }
    Ok(Part::ToolResult(result))
}
