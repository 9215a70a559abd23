//! Tools: what the model may call, what it called, and what came of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::ProviderError;
use crate::message::{Extra, Part, ProviderData};
use crate::tagged::read_by_tag;

/// A tool that a request offers to the model.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ToolDefinition {
    /// A function that the client runs.
    Function(FunctionTool),
    /// A tool that only one vendor's vocabulary has, such as one that the vendor runs itself.
    Vendor(VendorObject),
    /// A kind of tool from a newer version of this vocabulary, as it came.
    #[serde(untagged)]
    Other(Map<String, Value>),
}

read_by_tag!(ToolDefinition { "function" => Function, "vendor" => Vendor });

/// A function that the client runs for the model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FunctionTool {
    /// Its name.
    pub name: String,
    /// What it does and when to use it, for the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The JSON schema of its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Value>,
    /// Whether the arguments must follow the schema to the letter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    /// What is not modelled here.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Extra,
}

/// A tool, a choice or a format in one vendor's own words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VendorObject {
    /// Whose vocabulary it is (`openai-chat`, `anthropic-messages`, …).
    pub format: String,
    /// The object, in that vocabulary.
    pub raw: Value,
}

impl VendorObject {
    /// The object, for a provider that speaks this vocabulary.
    ///
    /// # Errors
    ///
    /// Of kind [`Unsupported`](crate::ErrorKind::Unsupported) where it is in another one; `what`
    /// says what the object is (`a tool`).
    pub fn in_words_of(&self, format: &str, what: &str) -> Result<&Value, ProviderError> {
        if self.format == format {
            return Ok(&self.raw);
        }
        Err(ProviderError::unsupported(format_args!("{what} in the words of {}", self.format)))
    }
}

/// Whether and which tool the model must call.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ToolChoice {
    /// The model decides.
    Auto(NoFields),
    /// No tool.
    None(NoFields),
    /// At least one tool, whichever.
    Required(NoFields),
    /// This tool.
    Tool(ToolName),
    /// A choice that only one vendor's vocabulary has.
    Vendor(VendorObject),
    /// A choice from a newer version of this vocabulary, as it came.
    #[serde(untagged)]
    Other(Map<String, Value>),
}

read_by_tag!(ToolChoice {
    "auto" => Auto,
    "none" => None,
    "required" => Required,
    "tool" => Tool,
    "vendor" => Vendor,
});

impl ToolChoice {
    /// The model decides.
    pub const AUTO: Self = Self::Auto(NoFields {});
    /// No tool.
    pub const NONE: Self = Self::None(NoFields {});
    /// At least one tool, whichever.
    pub const REQUIRED: Self = Self::Required(NoFields {});

    /// This tool.
    pub fn tool(name: impl Into<String>) -> Self {
        Self::Tool(ToolName { name: name.into() })
    }
}

/// The fields of a variant that has none today.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoFields {}

/// A tool, by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolName {
    /// The name.
    pub name: String,
}

/// A tool that the model asks the client to run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The id by which the result refers to the call.
    pub id: String,
    /// The name of the tool.
    pub name: String,
    /// The arguments, as JSON text exactly as the model wrote it; it need not be valid.
    pub arguments: String,
    /// Proof that the call is the model's own; the vendor wants it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// What the provider must see again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub provider_data: ProviderData,
    /// What is not modelled here.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Extra,
}

impl ToolCall {
    /// The arguments as an object, for vendors that take them so; no text is no arguments.
    ///
    /// # Errors
    ///
    /// Where the text is not a JSON object.
    pub fn arguments_object(&self) -> Result<Map<String, Value>, ProviderError> {
        if self.arguments.trim().is_empty() {
            return Ok(Map::new());
        }
        serde_json::from_str(&self.arguments).map_err(|error| {
            let call = format_args!("the arguments of the tool call `{}` ({})", self.id, self.name);
            ProviderError::invalid_request(format!("{call} are not a JSON object: {error}"))
        })
    }
}

/// What a tool answered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ToolResult {
    /// The id of the call.
    pub tool_call_id: String,
    /// The name of the tool; the host fills it in from the call with that id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_name: Option<String>,
    /// The answer: text, images, files.
    #[serde(default)]
    pub content: Vec<Part>,
    /// Whether the tool failed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_error: bool,
    /// What the provider must see again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub provider_data: ProviderData,
    /// What is not modelled here.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Extra,
}

impl ToolResult {
    /// The text parts of the answer, joined without a separator.
    pub fn text(&self) -> String {
        self.content.iter().filter_map(Part::as_text).collect()
    }
}
