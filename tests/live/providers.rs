//! The services that can be asked, and whether they can be asked here and now.

use std::net::TcpStream;
use std::time::Duration;

/// What must be set for any of it to run.
const SWITCH: &str = "ALLOS_LIVE_TESTS";
/// Where Ollama's own programs find their server. <https://docs.ollama.com/faq>
const OLLAMA_HOST: &str = "OLLAMA_HOST";

/// One service.
pub(crate) struct Provider {
    /// The instance, and what its variables are called after.
    pub(crate) name: &'static str,
    /// The plugin behind it.
    pub(crate) plugin: &'static str,
    /// The variable that holds its key; none where it is a server of one's own.
    pub(crate) key: Option<&'static str>,
    /// What its table says.
    table: &'static str,
    model: &'static str,
    embed_model: Option<&'static str>,
    pub(crate) counts_tokens: bool,
    /// Whether it can be told that it must call a tool.
    pub(crate) takes_tool_choice: bool,
}

/// All of them, each with a small model of its own.
pub(crate) const PROVIDERS: [Provider; 5] = [
    Provider {
        name: "anthropic",
        plugin: "anthropic",
        key: Some("ANTHROPIC_API_KEY"),
        table: "",
        model: "claude-haiku-4-5",
        embed_model: None,
        counts_tokens: true,
        takes_tool_choice: true,
    },
    Provider {
        name: "google",
        plugin: "google",
        key: Some("GEMINI_API_KEY"),
        table: "",
        model: "gemini-2.5-flash",
        embed_model: Some("gemini-embedding-001"),
        counts_tokens: true,
        takes_tool_choice: true,
    },
    Provider {
        name: "ollama",
        plugin: "ollama",
        key: None,
        table: "",
        model: "qwen3",
        embed_model: Some("embeddinggemma"),
        counts_tokens: false,
        takes_tool_choice: false,
    },
    Provider {
        name: "openai",
        plugin: "openai",
        key: Some("OPENAI_API_KEY"),
        table: "",
        model: "gpt-4.1-mini",
        embed_model: Some("text-embedding-3-small"),
        counts_tokens: false,
        takes_tool_choice: true,
    },
    Provider {
        name: "openai-responses",
        plugin: "openai",
        key: Some("OPENAI_API_KEY"),
        table: "options = { api = \"responses\" }",
        model: "gpt-5-mini",
        embed_model: None,
        counts_tokens: false,
        takes_tool_choice: true,
    },
];

impl Provider {
    /// Why it is not asked.
    pub(crate) fn reason_to_skip(&self) -> Option<String> {
        match self.key {
            Some(key) if variable(key).is_none() => Some(format!("{key} is not set")),
            _ if variable(SWITCH).as_deref() != Some("1") => Some(format!("{SWITCH} is not 1")),
            None if variable(OLLAMA_HOST).is_none() && !answers(&ollama()) => {
                Some(format!("{OLLAMA_HOST} is not set, and no server runs here"))
            }
            _ => None,
        }
    }

    /// Its table of the configuration. Its key stays in the environment.
    pub(crate) fn configuration(&self) -> String {
        let Self { name, plugin, table, .. } = self;
        let place = match self.key {
            Some(key) => format!("api_key = {{ env = \"{key}\" }}"),
            None => format!("base_url = \"http://{}\"", ollama()),
        };
        format!("[providers.{name}]\nplugin = \"{plugin}\"\n{place}\n{table}\n")
    }

    /// The model that chats, as the gateway's clients name it.
    pub(crate) fn model(&self) -> String {
        let model = variable(&self.variable_of("ALLOS_LIVE_MODEL"));
        format!("{}/{}", self.name, model.as_deref().unwrap_or(self.model))
    }

    /// The model that embeds, if the service has one.
    pub(crate) fn embed_model(&self) -> Option<String> {
        let model = variable(&self.variable_of("ALLOS_LIVE_EMBED_MODEL"));
        let model = model.or_else(|| self.embed_model.map(str::to_owned))?;
        Some(format!("{}/{model}", self.name))
    }

    fn variable_of(&self, what: &str) -> String {
        format!("{what}_{}", self.name.to_ascii_uppercase().replace('-', "_"))
    }
}

/// A variable of the environment that says something.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// Ollama's server, as host and port.
fn ollama() -> String {
    let said = variable(OLLAMA_HOST).unwrap_or_default();
    let host = said.trim().trim_start_matches("http://").trim_end_matches('/');
    let (host, port) = host.rsplit_once(':').unwrap_or((host, "11434"));
    // A server that listens everywhere is asked here.
    let host = if matches!(host, "" | "0.0.0.0") { "127.0.0.1" } else { host };
    format!("{host}:{port}")
}

fn answers(address: &str) -> bool {
    let address = address.parse().ok();
    address.is_some_and(|it| TcpStream::connect_timeout(&it, Duration::from_millis(300)).is_ok())
}
