//! `OpenAI`'s tools, tool choice and tool calls → the normalised ones.
//! <https://platform.openai.com/docs/guides/function-calling>
//!
//! What a service runs itself, and kinds that only this dialect has, stay as they came.

use allos_plugin_api::{FunctionTool, Part, ToolCall, ToolChoice, ToolDefinition};
use serde_json::Value;

use super::vendor::{provider_data, vendor, vendor_part};
use crate::gateway::json::{Invalid, Path, boolean, members, text};

/// A tool definition. Some clients leave the type out where it is a function.
pub(super) fn tool(value: Value, path: Path<'_>) -> Result<ToolDefinition, Invalid> {
    if !is_kind(&value, "function") {
        return Ok(ToolDefinition::Vendor(vendor(value, path)?));
    }
    let mut function = None;
    let mut tool = FunctionTool::default();
    for (name, value) in members(value, path)? {
        match name.as_str() {
            "type" => {}
            "function" => function = Some(value),
            _ => {
                tool.extra.insert(name, value);
            }
        }
    }
    let at = path.member("function");
    read_function(function.ok_or_else(|| Invalid::missing(at))?, at, &mut tool)?;
    Ok(ToolDefinition::Function(tool))
}

fn read_function(value: Value, path: Path<'_>, tool: &mut FunctionTool) -> Result<(), Invalid> {
    let mut has_name = false;
    for (name, value) in members(value, path)? {
        let at = path.member(&name);
        match name.as_str() {
            "name" => {
                tool.name = text(value, at)?;
                has_name = true;
            }
            "description" => tool.description = Some(text(value, at)?),
            "parameters" => tool.parameters = Some(value),
            "strict" => tool.strict = Some(boolean(&value, at)?),
            _ => {
                tool.extra.insert(name, value);
            }
        }
    }
    if has_name { Ok(()) } else { Err(Invalid::missing(path.member("name"))) }
}

/// Whether and which tool must be called.
pub(super) fn tool_choice(value: Value, path: Path<'_>) -> Result<ToolChoice, Invalid> {
    match value.as_str() {
        Some("auto") => return Ok(ToolChoice::AUTO),
        Some("none") => return Ok(ToolChoice::NONE),
        Some("required" | "any") => return Ok(ToolChoice::REQUIRED),
        Some(other) => {
            let message = format_args!(
                "`{other}` is no choice (hint: use auto, none, required, or name a function)"
            );
            return Err(Invalid::value(path, message));
        }
        None => {}
    }
    if !is_kind(&value, "function") {
        return Ok(ToolChoice::Vendor(vendor(value, path)?));
    }
    let at = path.member("function");
    let function = members(value, path)?.find(|(name, _)| name == "function");
    let (_, function) = function.ok_or_else(|| Invalid::missing(at))?;
    let name = members(function, at)?.find(|(name, _)| name == "name");
    let (_, name) = name.ok_or_else(|| Invalid::missing(at.member("name")))?;
    Ok(ToolChoice::tool(text(name, at.member("name"))?))
}

/// A call that an assistant's message brings back.
pub(super) fn tool_call(value: Value, path: Path<'_>) -> Result<Part, Invalid> {
    if !is_kind(&value, "function") {
        return Ok(Part::Vendor(vendor_part(value, path)?));
    }
    let mut call = ToolCall::default();
    let mut function = None;
    for (name, value) in members(value, path)? {
        let at = path.member(&name);
        match name.as_str() {
            "type" => {}
            "id" => call.id = text(value, at)?,
            "function" => function = Some(value),
            "extra_content" => {
                call.signature = thought_signature(&value);
                call.provider_data = provider_data(&value);
                call.extra.insert(name, value);
            }
            _ => {
                call.extra.insert(name, value);
            }
        }
    }
    let at = path.member("function");
    read_call(function.ok_or_else(|| Invalid::missing(at))?, at, &mut call)?;
    Ok(Part::ToolCall(call))
}

fn read_call(value: Value, path: Path<'_>, call: &mut ToolCall) -> Result<(), Invalid> {
    let mut has_name = false;
    for (name, value) in members(value, path)? {
        let at = path.member(&name);
        match name.as_str() {
            "name" => {
                call.name = text(value, at)?;
                has_name = true;
            }
            "arguments" => call.arguments = text(value, at)?,
            _ => {
                call.extra.insert(name, value);
            }
        }
    }
    if has_name { Ok(()) } else { Err(Invalid::missing(path.member("name"))) }
}

/// Google's place for a call's signature.
/// <https://ai.google.dev/gemini-api/docs/thought-signatures>
fn thought_signature(extra_content: &Value) -> Option<String> {
    extra_content.pointer("/google/thought_signature")?.as_str().map(str::to_owned)
}

/// Whether an object is of a kind: its `type` says so, or it has no type and a member of that name.
fn is_kind(value: &Value, kind: &str) -> bool {
    match value.get("type") {
        None | Some(Value::Null) => value.get(kind).is_some(),
        Some(named) => named == kind,
    }
}
