//! What a host asks of its worker, by name.

use std::borrow::Cow;

use crate::provider::Operation;

/// Whether its thread is free.
pub(super) const PING: &str = "ping";

/// An answer piece by piece.
pub(super) const STREAM_CHAT: &str = "stream_chat";

const CHAT: &str = "chat";
const CONTEXT_WINDOW: &str = "context_window";
const OPTIONAL: &str = "call/";

/// The name of an operation that is answered in one piece.
pub(super) fn name_of(operation: Operation<'static>) -> Cow<'static, str> {
    match operation {
        Operation::Chat => CHAT.into(),
        Operation::ContextWindow => CONTEXT_WINDOW.into(),
        Operation::Optional(name) => format!("{OPTIONAL}{name}").into(),
    }
}

/// The operation of a name.
pub(super) fn named(name: &str) -> Option<Operation<'_>> {
    match name {
        CHAT => Some(Operation::Chat),
        CONTEXT_WINDOW => Some(Operation::ContextWindow),
        _ => name.strip_prefix(OPTIONAL).map(Operation::Optional),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_what_its_name_says() {
        for operation in [Operation::Chat, Operation::ContextWindow, Operation::Optional("embed")] {
            assert_eq!(named(&name_of(operation)), Some(operation));
        }
        assert_eq!(named(PING), None);
        assert_eq!(named("chat "), None);
    }
}
