//! A request as the plugin gets it: the right lane, and the names of tools filled in.

use std::collections::HashMap;

use allos_plugin_api::{ChatRequest, Dialect, Message, Part, RawBody};

/// Drops the client's body where the plugin does not take its dialect.
pub(crate) fn keep_lane(body: &mut Option<RawBody>, taken: &[Dialect]) {
    if body.as_ref().is_some_and(|body| !taken.contains(&body.dialect)) {
        *body = None;
    }
}

/// Fills in the tool's name of each tool result, from the call with that id.
pub(crate) fn name_tool_results(request: &mut ChatRequest) {
    let calls: HashMap<String, String> = request
        .messages
        .iter()
        .flat_map(Message::tool_calls)
        .map(|call| (call.id.clone(), call.name.clone()))
        .collect();
    for part in request.messages.iter_mut().flat_map(|message| &mut message.content) {
        if let Part::ToolResult(result) = part
            && result.tool_name.is_none()
        {
            result.tool_name = calls.get(&result.tool_call_id).cloned();
        }
    }
}

#[cfg(test)]
mod tests {
    use allos_plugin_api::{Role, ToolCall, ToolResult};

    use super::*;

    #[test]
    fn a_tool_result_gets_the_name_of_the_call_with_its_id() {
        let call = ToolCall { id: "1".into(), name: "weather".into(), ..ToolCall::default() };
        let result = |id: &str| {
            Part::ToolResult(ToolResult { tool_call_id: id.into(), ..ToolResult::default() })
        };
        let mut request = ChatRequest::new(
            "m",
            vec![
                Message::new(Role::Assistant, vec![Part::ToolCall(call)]),
                Message::new(Role::Tool, vec![result("1"), result("2")]),
            ],
        );
        name_tool_results(&mut request);
        let names: Vec<_> = request.messages[1]
            .content
            .iter()
            .map(|part| match part {
                Part::ToolResult(result) => result.tool_name.as_deref(),
                _ => None,
            })
            .collect();
        assert_eq!(names, [Some("weather"), None]);
    }
}
