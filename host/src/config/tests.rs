//! Whole configuration files, good and bad, as an operator might write them.

use super::*;

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(text, Path::new("etc/allos.toml")).map_err(|error| error.to_string())
}

/// The error about a text; it must be one line.
fn error(text: &str) -> String {
    let error = parse(text).unwrap_err();
    assert!(!error.contains('\n'), "{error:?}");
    error
}

fn instance(text: &str) -> InstanceConfig {
    parse(text).unwrap().providers.into_values().next().unwrap()
}

#[test]
fn the_example_is_a_configuration() {
    let config = parse(Config::EXAMPLE).unwrap();
    assert_eq!(config.plugin_dirs, [Path::new("etc/plugins")]);
    assert_eq!(config.gateway.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.providers["openai"].model.as_deref(), Some("gpt-4o"));
    assert_eq!(config.providers["local"].plugin, Some("openai".parse().unwrap()));
    assert_eq!(config.routes["smart"].to_string(), "openai/gpt-4o");
}

#[test]
fn the_example_states_the_defaults() {
    let config = parse(Config::EXAMPLE).unwrap();
    let default = GatewayConfig::default();
    assert_eq!(config.gateway.listen, default.listen);
    assert_eq!(config.gateway.max_body_bytes, default.max_body_bytes);
    assert_eq!(config.gateway.shutdown, default.shutdown);
    let trust = TrustConfig::default();
    assert_eq!(config.trust.policy, trust.policy);
    assert_eq!(config.trust.lock, Path::new("etc").join(trust.lock));
    assert_eq!(config.trust.allow_writable, trust.allow_writable);
    assert_eq!(config.trust.allow_downgrade, trust.allow_downgrade);
    assert_eq!(config.containment, ContainmentConfig::default());
    assert_eq!(config.reload, ReloadConfig::default());
    let (worker, default) = (&config.worker, WorkerConfig::default());
    assert_eq!(worker.memory(), default.memory());
    assert_eq!(worker.open_files(), default.open_files());
    let nothing = (Some(vec![]), Some(vec![]), Some(vec![]), Some(false));
    assert_eq!(
        (worker.env.clone(), worker.read.clone(), worker.write.clone(), worker.network),
        nothing
    );
    let (stated, default) = (&config.providers["openai"], InstanceConfig::default());
    assert_eq!(stated.timeout, default.timeout);
    assert_eq!(stated.idle_timeout, default.idle_timeout);
    assert_eq!(stated.passthrough, default.passthrough);
}

#[test]
fn the_example_names_every_key() {
    let tables = ["trust", "gateway", "containment", "reload", "worker", "providers.x"];
    for table in tables.map(|name| format!("[{name}]\n")).into_iter().chain([String::new()]) {
        let error = error(&format!("{table}zzzzzzzzzzzzzzzzzzzzzzzz = 1"));
        let (_, known) = error.split_once("known here: ").unwrap();
        for key in known.trim_end_matches(')').split(", ") {
            let stated = [format!("{key} = "), format!("[{key}"), format!("[{key}.")];
            assert!(stated.iter().any(|text| Config::EXAMPLE.contains(text)), "{key}");
        }
    }
}

#[test]
fn no_file_at_all_means_the_defaults() {
    let config = parse("").unwrap();
    assert_eq!(config.plugin_dirs, [Path::new("etc/plugins")]);
    assert_eq!(Config::default().plugin_dirs, [Path::new("plugins")]);
    assert_eq!(config.gateway.listen.to_string(), "127.0.0.1:8080");
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_the_nearest_known_one() {
    assert_eq!(
        error("\n\n      plugn_dirs = []"),
        "etc/allos.toml:3:7: unknown key `plugn_dirs` (hint: did you mean `plugin_dirs`?)"
    );
    assert_eq!(
        error("[providers.x]\nbase-url = 'http://a'"),
        "etc/allos.toml:2:1: unknown key `base-url` (hint: did you mean `base_url`?)"
    );
    assert_eq!(
        error("[gateway]\napi_key = { environment = 'X' }"),
        "etc/allos.toml:2:13: unknown key `environment` (hint: known here: env, file)"
    );
}

#[test]
fn what_is_no_toml_is_an_error_with_its_place() {
    assert!(error("[gateway\n").starts_with("etc/allos.toml:1:"));
    assert!(error("a = 1\na = 2").contains(":2:1: duplicate key"));
}

#[test]
fn a_value_of_the_wrong_type_is_an_error_with_its_place() {
    for (text, place) in [
        ("plugin_dirs = 'plugins'", ":1:15: "),
        ("gateway = 3", ":1:11: "),
        ("[gateway]\nmax_body_bytes = -1", ":2:18: "),
        ("[gateway]\nmax_body_bytes = 0", ":2:18: "),
        ("[gateway]\nlisten = 8080", ":2:10: "),
        ("[providers]\nx = true", ":2:5: "),
        ("[providers.x]\nmodel = ''", ":2:9: "),
        ("[providers.x]\ntimeout_seconds = 0", ":2:19: "),
        ("[providers.x]\ntimeout_seconds = 99999999999", ":2:19: "),
        ("[containment]\nblocked_seconds = 0", ":2:19: "),
        ("[containment]\npause_seconds = nan", ":2:17: "),
        ("[containment]\nfaults = 0", ":2:10: "),
        ("[worker]\nmemory_mb = 63", ":2:13: "),
        ("[worker]\nopen_files = 0", ":2:14: "),
        ("[worker]\nenv = ['A=b']", ":2:7: "),
        ("[worker]\nread = ['']", ":2:8: "),
        ("[providers.x.worker]\nnetwork = 'yes'", ":2:11: "),
        ("[reload]\nwatch = \"now\"", ":2:9: "),
        ("[reload]\npoll_seconds = 0", ":2:16: "),
        ("[providers.x]\nbase_url = 'api.example.com'", ":2:12: "),
        ("[providers.x]\nheaders = { 'a b' = '1' }", ":2:13: "),
        ("[providers.x]\noptions = { a = nan }", ":2:11: "),
        ("[routes]\nsmart = 3", ":2:9: "),
        ("[routes]\n'' = 'a/b'", ":2:1: "),
    ] {
        let error = error(text);
        assert!(error.starts_with(&format!("etc/allos.toml{place}")), "{text}: {error}");
    }
}

#[test]
fn a_value_of_the_wrong_type_is_named_in_the_words_of_the_file() {
    assert_eq!(
        error("plugin_dirs = 'plugins'"),
        "etc/allos.toml:1:15: expected a list, found a text"
    );
    assert_eq!(
        error("[gateway]\nmax_body_bytes = -1"),
        "etc/allos.toml:2:18: expected a whole number from 0 on, found another number"
    );
}

#[test]
fn names_are_checked_where_they_stand() {
    assert!(error("[providers.OpenAI]").starts_with("etc/allos.toml:1:12: `OpenAI` is not the"));
    assert!(error("[providers.x]\nplugin = 'a b'").contains(":2:10: `a b` is not the name"));
}

#[test]
fn a_route_has_exactly_one_target() {
    let config = parse("[routes]\na = ['openai/x']\nb = 'echo'").unwrap();
    assert_eq!(config.routes["a"].to_string(), "openai/x");
    assert_eq!(config.routes["b"].model, None);
    assert_eq!(
        error("[routes]\na = ['openai/x', 'echo/y']"),
        "etc/allos.toml:2:5: several targets are not supported yet (hint: keep one of them)"
    );
    assert!(error("[routes]\na = []").contains("a route needs a target"));
    assert!(error("[routes]\na = 'openai/'").contains("`openai/` is not a model"));
}

#[test]
fn an_unknown_isolation_is_refused() {
    assert!(
        error("[providers.x]\nisolation = 'thread'").contains(":2:13: unknown isolation (hint: ")
    );
    let instance = instance("[providers.x]\nisolation = 'in-process'");
    assert_eq!(instance.isolation, Some(Isolation::InProcess));
}

#[test]
fn beyond_loopback_the_gateway_needs_a_key_or_the_switch() {
    for address in ["0.0.0.0:80", "[::]:80", "192.168.0.1:80", "[::ffff:10.0.0.1]:80"] {
        let listen = format!("[gateway]\nlisten = '{address}'");
        let error = error(&listen);
        assert!(error.starts_with("etc/allos.toml:2:10: the gateway would listen on"), "{error}");
        assert!(error.contains("(hint: set `api_key` in [gateway], or"), "{error}");
        parse(&format!("{listen}\nallow_public_without_key = true")).unwrap();
        parse(&format!("{listen}\napi_key = 'k'")).unwrap();
    }
    for address in ["127.0.0.2:80", "[::1]:80", "localhost:80", "[::ffff:127.0.0.1]:80"] {
        parse(&format!("[gateway]\nlisten = '{address}'")).unwrap();
    }
}

#[test]
fn secrets_are_a_text_a_variable_or_a_file() {
    let key = |source: &str| instance(&format!("[providers.x]\napi_key = {source}")).api_key;
    assert_eq!(key("{ env = 'A_1' }"), Some(SecretSource::Env("A_1".into())));
    assert_eq!(key("{ file = 'k' }"), Some(SecretSource::File("etc/k".into())));
    assert_eq!(key("{ file = '/k' }"), Some(SecretSource::File("/k".into())));
    assert!(matches!(key("'sk'"), Some(SecretSource::Literal(_))));
    for source in ["{}", "{ env = 'A', file = 'b' }", "{ file = '' }", "3", "['a']", "true"] {
        error(&format!("[providers.x]\napi_key = {source}"));
    }
}

#[test]
fn no_error_and_no_debug_form_shows_a_secret() {
    for text in [
        "[providers.x]\napi_key = { env = 'sk-1234' }",
        "[providers.x]\napi_key = 1234",
        "[providers.x]\napi_key = sk-1234",
        "[providers.x]\napi_key = ['1234']",
        "[providers.x]\nheaders = 'a, expected 1234, expected b'",
        "[providers.x]\noptions = '1234'",
        "[providers]\nx = '1234'",
        "[gateway]\nmax_body_bytes = '1234'",
        "[providers.x]\nbase_url = 'https://user:1234@example.com'",
    ] {
        let error = error(text);
        assert!(!error.contains("1234"), "{error}");
    }
    let config = parse(
        "[gateway]\napi_key = '1234'\n[providers.x]\napi_key = '1234'\n\
         headers = { a = '1234' }\noptions = { a = '1234' }",
    );
    let shown = format!("{:?}", config.unwrap());
    assert!(!shown.contains("1234"), "{shown}");
}

#[test]
fn options_reach_the_plugin_as_json() {
    let options = "{ n = 1, f = 0.5, b = true, t = 'x', l = [1], d = 1979-05-27, o = { a = 1 } }";
    let instance = instance(&format!("[providers.x]\noptions = {options}"));
    let expected = serde_json::json!(
        {"n": 1, "f": 0.5, "b": true, "t": "x", "l": [1], "d": "1979-05-27", "o": {"a": 1}}
    );
    assert_eq!(Value::Object(instance.options), expected);
}

#[test]
fn header_names_are_lower_case() {
    let instance = instance("[providers.x]\nheaders = { X-Team = 'a' }");
    assert_eq!(instance.headers.keys().collect::<Vec<_>>(), ["x-team"]);
}

#[test]
fn trust_is_a_policy_with_what_it_needs() {
    let key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
    let text = format!("[trust]\npolicy = \"signed\"\nkeys = [\"{key}\"]\nlock = \"/locks/a\"\n");
    let trust = parse(&text).unwrap().trust;
    assert_eq!(trust.policy, TrustPolicy::Signed);
    assert_eq!(trust.keys[0].to_string(), key);
    assert_eq!(trust.lock, Path::new("/locks/a"));
    for (text, words) in [
        ("policy = \"signed\"", "etc/allos.toml:2:10: the policy \"signed\" needs a key (hint: "),
        ("policy = \"none\"", "etc/allos.toml:2:10: unknown policy (hint: write \"open\""),
        ("keys = [\"RWQf6\"]", "etc/allos.toml:2:8: not a public key of minisign (hint: "),
    ] {
        let error = error(&format!("[trust]\n{text}\n"));
        assert!(error.starts_with(words), "{error}");
    }
}

#[test]
fn what_a_worker_may_do_is_said_for_all_and_key_by_key_for_one() {
    let config = parse(
        "[worker]\nmemory_mb = 1024\nread = ['a', '/b']\n\
         [providers.x]\nisolation = 'worker'\nworker = { memory_mb = 512, write = ['c'] }",
    );
    let config = config.unwrap();
    let worker = config.providers["x"].worker.or(&config.worker);
    assert_eq!(worker.memory(), 512 * 1024 * 1024);
    assert_eq!(worker.read, Some(vec!["etc/a".into(), "/b".into()]));
    assert_eq!(worker.write, Some(vec!["etc/c".into()]));
    assert_eq!((worker.env, worker.network), (None, None));
}

#[test]
fn what_a_worker_may_do_is_not_said_in_vain() {
    let table = "[providers.x.worker]\nmemory_mb = 512\n";
    let error = error(table);
    let expected = "etc/allos.toml:1:1: `worker` says what a worker may do, and `x` runs";
    assert!(error.starts_with(expected), "{error}");
    parse(&format!("isolation = 'worker'\n{table}")).unwrap();
    parse(&format!("[providers.x]\nisolation = 'worker'\n{table}")).unwrap();
    parse("[worker]\nmemory_mb = 512").unwrap();
}
