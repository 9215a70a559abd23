//! How much the model thinks, in the words that its generation takes.
//!
//! Claude 4.6 and later take an effort, and decide for themselves how long to think; 4.6 and
//! earlier take a budget in tokens. The last generation cannot stop thinking altogether. A model
//! that thinks, and any since 4.7, takes no sampling parameters.
//!
//! - <https://platform.claude.com/docs/en/build-with-claude/thinking>
//! - <https://platform.claude.com/docs/en/build-with-claude/effort>
//! - <https://platform.claude.com/docs/en/build-with-claude/extended-thinking>
//! - <https://platform.claude.com/docs/en/build-with-claude/thinking-troubleshooting>

use allos_plugin_api::{ChatRequest, Reasoning, ReasoningEffort, Warnings};
use serde_json::{Map, Value, json};

use crate::models::version;

/// The smallest budget that the vendor takes.
const MIN_BUDGET: u64 = 1024;

/// The terms in which a model is told how much to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Terms {
    /// It does not think.
    Nothing,
    /// A budget.
    Budget,
    /// A budget or an effort.
    Either,
    /// An effort.
    Effort,
    /// An effort; without thinking ahead it still thinks between tools.
    BetweenTools,
    /// An effort; it always thinks.
    Always,
}

/// The terms of a model. A service of others that speaks this dialect takes the older ones.
fn terms(model: &str) -> Terms {
    let is = |family: &str| model.starts_with(family);
    match version(model) {
        None if !is("claude-") => Terms::Budget,
        Some(version) if version < (3, 7) => Terms::Nothing,
        Some(version) if version < (4, 6) => Terms::Budget,
        Some((4, 6)) => Terms::Either,
        Some(version) if version >= (5, 5) && is("claude-opus-") => Terms::Always,
        Some(version) if version >= (5, 5) && is("claude-sonnet-") => Terms::BetweenTools,
        _ if is("claude-fable-") || is("claude-mythos-") => Terms::Always,
        _ => Terms::Effort,
    }
}

/// Writes `thinking`, `output_config.effort` and the sampling parameters.
pub(crate) fn write(
    request: &ChatRequest,
    max_tokens: u64,
    members: &mut Map<String, Value>,
    warnings: &mut Warnings,
) {
    let terms = terms(&request.model);
    if let Some(reasoning) = &request.reasoning {
        Wish { terms, max_tokens, members, warnings }.write(reasoning);
    }
    // What the client says in the vendor's own words counts.
    if let Some(thinking) = request.extra.get("thinking").filter(|it| it.is_object()) {
        members.insert("thinking".to_owned(), thinking.clone());
    }
    sample(request, terms, members, warnings);
}

/// Writes how the answer is sampled, as far as the model takes that.
fn sample(
    request: &ChatRequest,
    terms: Terms,
    members: &mut Map<String, Value>,
    warnings: &mut Warnings,
) {
    let thinks = members.get("thinking").is_some_and(|it| it["type"] != "disabled");
    let takes_sampling = !thinks && matches!(terms, Terms::Nothing | Terms::Budget | Terms::Either);
    // Since Claude 4.1 a request may have the one or the other.
    let takes_both = version(&request.model).is_none_or(|version| version < (4, 1));
    let takes_top_p = takes_both || request.temperature.is_none();
    for (name, value, is_taken) in [
        ("temperature", request.temperature.map(|value| json!(value.min(1.0))), true),
        ("top_p", request.top_p.map(|value| json!(value)), takes_top_p),
        ("top_k", request.top_k.map(|value| json!(value)), true),
    ] {
        match value {
            Some(value) if takes_sampling && is_taken => {
                members.insert(name.to_owned(), value);
            }
            Some(_) => warnings.ignore(name),
            None => {}
        }
    }
    if members.contains_key("temperature") && request.temperature > Some(1.0) {
        warnings.add("temperature: sent as 1, the most that the model takes");
    }
}

/// What is asked of a model, and where the answer to that goes.
struct Wish<'a> {
    terms: Terms,
    max_tokens: u64,
    members: &'a mut Map<String, Value>,
    warnings: &'a mut Warnings,
}

impl Wish<'_> {
    fn write(mut self, reasoning: &Reasoning) {
        let mut thinking = Map::new();
        let known = ["type", "display", "block_binding"];
        self.warnings.keep_known(&reasoning.extra, &known, "reasoning.", &mut thinking);
        let effort = reasoning.effort.as_ref();
        if thinking.contains_key("type") {
            // It was said in the vendor's own words.
            thinking.extend(reasoning.budget_tokens.map(|it| ("budget_tokens".into(), json!(it))));
            self.effort(effort);
        } else if effort == Some(&ReasoningEffort::None) {
            thinking = self.off();
        } else if let Some(kind) = self.on(effort, reasoning.budget_tokens) {
            thinking.extend(kind);
        } else {
            return;
        }
        if !thinking.is_empty() {
            self.members.insert("thinking".to_owned(), Value::Object(thinking));
        }
    }

    /// The least that the model can think.
    fn off(&mut self) -> Map<String, Value> {
        match self.terms {
            Terms::Nothing => Map::new(),
            Terms::Always => {
                self.warnings.ignore("reasoning_effort none: this model always thinks");
                Map::new()
            }
            Terms::BetweenTools => kind("between_tools"),
            _ => kind("disabled"),
        }
    }

    fn on(
        &mut self,
        effort: Option<&ReasoningEffort>,
        budget: Option<u64>,
    ) -> Option<Map<String, Value>> {
        if effort.is_none() && budget.is_none() {
            return None;
        }
        match self.terms {
            Terms::Nothing => {
                self.warnings.ignore("reasoning: this model does not think");
                None
            }
            Terms::Budget => self.budget(effort, budget),
            Terms::Either if budget.is_some() => self.budget(effort, budget),
            _ => {
                if budget.is_some() {
                    self.warnings.ignore("reasoning.max_tokens: this model takes an effort");
                }
                self.effort(effort);
                Some(kind("adaptive"))
            }
        }
    }

    /// A budget that is asked for, or one that stands for an effort and leaves at least as much for
    /// the answer.
    fn budget(
        &mut self,
        effort: Option<&ReasoningEffort>,
        budget: Option<u64>,
    ) -> Option<Map<String, Value>> {
        let budget = budget.or_else(|| {
            let budget = effort.map(budget_of)?.min(self.max_tokens / 2);
            (budget >= MIN_BUDGET).then_some(budget)
        });
        let Some(budget) = budget else {
            self.warnings.ignore("reasoning_effort: max_tokens leaves no room to think");
            return None;
        };
        let mut thinking = kind("enabled");
        thinking.insert("budget_tokens".to_owned(), json!(budget));
        Some(thinking)
    }

    fn effort(&mut self, effort: Option<&ReasoningEffort>) {
        let word = match effort {
            None | Some(ReasoningEffort::None) => return,
            Some(ReasoningEffort::Minimal) => "low",
            Some(other) => other.as_str(),
        };
        let config = self.members.entry("output_config").or_insert_with(|| json!({}));
        if let Value::Object(config) = config {
            config.insert("effort".to_owned(), json!(word));
        }
    }
}

fn kind(word: &str) -> Map<String, Value> {
    Map::from_iter([("type".to_owned(), json!(word))])
}

/// The budget that stands for an effort where a model takes none.
fn budget_of(effort: &ReasoningEffort) -> u64 {
    match effort {
        ReasoningEffort::Minimal | ReasoningEffort::Low => MIN_BUDGET,
        ReasoningEffort::Medium => 4_096,
        ReasoningEffort::High => 16_384,
        _ => 32_000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(model: &str, max_tokens: u64, reasoning: &Value) -> (Value, Vec<String>) {
        let reasoning = serde_json::from_value(reasoning.clone()).unwrap();
        let request = ChatRequest { reasoning, ..ChatRequest::new(model, Vec::new()) };
        let (mut members, mut warnings) = (Map::new(), Warnings::default());
        write(&request, max_tokens, &mut members, &mut warnings);
        (Value::Object(members), warnings.into_vec())
    }

    #[test]
    fn an_effort_is_said_in_the_terms_of_each_generation() {
        let effort = |word: &str| json!({ "effort": word });
        let adaptive = |word: &str| {
            let thinking = json!({ "type": "adaptive" });
            json!({ "thinking": thinking, "output_config": { "effort": word } })
        };
        let budget = |tokens| json!({ "thinking": { "type": "enabled", "budget_tokens": tokens } });
        let thinking = |word: &str| json!({ "thinking": { "type": word } });
        for (model, asked, expected) in [
            ("claude-opus-4-8", "high", adaptive("high")),
            ("claude-sonnet-4-6", "max", adaptive("max")),
            ("claude-sonnet-5", "minimal", adaptive("low")),
            ("claude-tomorrow", "low", adaptive("low")),
            ("claude-sonnet-4-5", "medium", budget(4_096)),
            ("claude-opus-4-20250514", "high", budget(16_384)),
            ("claude-3-7-sonnet-latest", "xhigh", budget(32_000)),
            ("glm-4.6", "low", budget(1_024)),
            ("claude-3-5-haiku-latest", "low", json!({})),
            ("claude-opus-4-8", "none", thinking("disabled")),
            ("claude-haiku-5-5", "none", thinking("disabled")),
            ("claude-sonnet-5-5", "none", thinking("between_tools")),
            ("claude-fable-5-1", "none", json!({})),
            ("claude-opus-5-5", "none", json!({})),
        ] {
            assert_eq!(written(model, 64_000, &effort(asked)).0, expected, "{model} {asked}");
        }
    }

    #[test]
    fn a_budget_leaves_room_for_the_answer() {
        let effort = json!({ "effort": "high" });
        let (members, _) = written("claude-sonnet-4-5", 4_096, &effort);
        assert_eq!(members["thinking"]["budget_tokens"], 2_048);
        let (members, warnings) = written("claude-sonnet-4-5", 2_000, &effort);
        assert_eq!((members, warnings.len()), (json!({}), 1));
    }

    #[test]
    fn a_budget_is_an_effort_where_the_model_takes_no_budget() {
        let asked = json!({ "budget_tokens": 9_000, "extra": { "display": "summarized" } });
        let (members, warnings) = written("claude-opus-4-6", 64_000, &asked);
        let thinking =
            json!({ "display": "summarized", "type": "enabled", "budget_tokens": 9_000 });
        assert_eq!((&members["thinking"], warnings.len()), (&thinking, 0));
        let (members, warnings) = written("claude-opus-4-7", 64_000, &asked);
        let thinking = json!({ "display": "summarized", "type": "adaptive" });
        assert_eq!((&members["thinking"], warnings.len()), (&thinking, 1));
    }

    #[test]
    fn what_is_said_in_the_vendors_own_words_is_sent_as_it_is() {
        let asked = json!({ "effort": "medium", "extra": { "type": "disabled" } });
        let (members, _) = written("claude-opus-4-8", 64_000, &asked);
        let expected = json!({
            "output_config": { "effort": "medium" }, "thinking": { "type": "disabled" },
        });
        assert_eq!(members, expected);
    }

    #[test]
    fn a_model_since_4_1_takes_a_temperature_or_top_p_and_none_takes_more_than_1() {
        for (model, takes_both) in [("claude-sonnet-4-5", false), ("claude-3-haiku", true)] {
            let (temperature, top_p) = (Some(1.5), Some(0.9));
            let request = ChatRequest { temperature, top_p, ..ChatRequest::new(model, Vec::new()) };
            let (mut members, mut warnings) = (Map::new(), Warnings::default());
            write(&request, 4_096, &mut members, &mut warnings);
            assert_eq!(members["temperature"], 1.0, "{model}");
            assert_eq!(members.contains_key("top_p"), takes_both, "{model}");
            assert_eq!(warnings.into_vec().len(), if takes_both { 1 } else { 2 }, "{model}");
        }
    }

    #[test]
    fn a_model_that_thinks_takes_no_sampling_parameters() {
        let effort = Reasoning { effort: Some(ReasoningEffort::Low), ..Reasoning::default() };
        for (model, reasoning, sampled) in [
            ("claude-sonnet-4-5", None, true),
            ("claude-sonnet-4-5", Some(effort), false),
            ("claude-opus-4-7", None, false),
        ] {
            let temperature = Some(0.5);
            let request =
                ChatRequest { temperature, reasoning, ..ChatRequest::new(model, Vec::new()) };
            let (mut members, mut warnings) = (Map::new(), Warnings::default());
            write(&request, 64_000, &mut members, &mut warnings);
            let is_warned = warnings.into_vec() == ["ignored: temperature"];
            let got = (members.contains_key("temperature"), is_warned);
            assert_eq!(got, (sampled, !sampled), "{model}");
        }
    }
}
