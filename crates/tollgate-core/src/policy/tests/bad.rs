//! Policies that do not hold, and what is said about them.

use super::{load, load_with};

/// Asserts that a policy has exactly this wrong, each as `line:column: message (help)`.
#[track_caller]
pub(super) fn assert_wrong(text: &str, expected: &[&str]) {
    let errors = load(text).expect_err("a bad policy");
    let told: Vec<String> =
        errors.iter().map(|error| error.on_one_line().replace("p.toml:", "")).collect();
    assert_eq!(told, expected, "of {text}");
}

/// Asserts that a limit with these lines, the fourth and following of a policy, has this
/// wrong.
#[track_caller]
pub(super) fn assert_limit_wrong(lines: &str, expected: &str) {
    assert_wrong(&format!("\n[[limits]]\nname = \"x\"\n{lines}\n"), &[expected]);
}

#[test]
fn text_that_is_not_toml_is_underlined_in_every_place() {
    assert_wrong(
        "[server]\nlisten = \nport 5\n",
        &[
            "2:10: this is not TOML: string values must be quoted, expected literal string",
            "3:6: this is not TOML: key with no value, expected `=`",
        ],
    );
}

#[test]
fn an_unknown_key_is_pointed_at_and_the_right_one_suggested() {
    assert_wrong(
        "[[limits]]\nname = \"a\"\nrequest = \"1/s\"\n[server]\nlisten_on = 1\nheader_timout = 2\n",
        &[
            "3:1: unknown key `request` in `limits.a` (did you mean `requests`?)",
            "5:1: unknown key `listen_on` in `server` (the keys here are listen, admin_listen, header_timeout, body_idle_timeout, keep_alive_timeout, max_connections, shutdown_grace, max_body, aliases)",
            "6:1: unknown key `header_timout` in `server` (did you mean `header_timeout`?)",
        ],
    );
}

/// Policies with one bad value, and what is said about it.
const VALUES: &[(&str, &str)] = &[
    (
        "[server]\nlisten = \"localhost\"",
        "2:10: `server.listen`: `localhost` is no address to listen at: write an IP address and a port, like 127.0.0.1:8787 or [::1]:8787",
    ),
    (
        "[server]\nlisten = 8787",
        "2:10: `server.listen`: `8787` is no address to listen at: write an IP address and a port, like 127.0.0.1:8787 or [::1]:8787",
    ),
    (
        "[server]\nheader_timeout = \"10\"",
        "2:18: `server.header_timeout`: `10` is no length of time: write it like 500ms, 30s, 5m, 1h or 7d",
    ),
    (
        "[estimates]\nopen_input = \"most\"",
        "2:14: `estimates.open_input`: `most` is not known in this version (the choices are learned, maximum, bytes, refuse)",
    ),
    (
        "[prices.models.m]\ninput = \"1\"\nmax_input_tokens = 0",
        "3:20: `prices.models.m.max_input_tokens`: expected a whole number, at least 1 and not too large, found the number 0",
    ),
    (
        "[server]\nmax_connections = 0",
        "2:19: `server.max_connections`: expected a whole number, at least 1 and not too large, found the number 0",
    ),
    (
        "[server]\nmax_body = \"1TB\"",
        "2:12: `server.max_body`: `1TB` is no size: write it like 64KiB, 32MiB or 4096",
    ),
    ("server = 5", "1:10: `server`: expected a table, found the number 5"),
    ("limits = 5", "1:10: `limits`: expected a list, found the number 5"),
    ("limits = [5]", "1:11: `limits.1`: expected a table, found the number 5"),
    (
        "[identity]\ntrust_headers = \"yes\"",
        "2:17: `identity.trust_headers`: expected true or false, found the text `yes`",
    ),
    (
        "[store]\nkind = \"postgres\"",
        "2:8: `store.kind`: `postgres` is not known in this version (the choices are memory, embedded, redis)",
    ),
    (
        "[store]\nhold_timeout = \"0s\"",
        "2:16: `store.hold_timeout`: a permit that expires at once holds nothing",
    ),
    (
        "[store]\nretention = \"7 days\"",
        "2:13: `store.retention`: rows are kept for 32 days at least, so that an audit can follow every month that is under way",
    ),
    (
        "[prices]\nunpriced = \"free_of_charge\"",
        "2:12: `prices.unpriced`: `free_of_charge` is not known in this version (the choices are deny, free, deny_when_budgeted, assume)",
    ),
    (
        "[prices]\nunpriced = { assume = { input = 1 } }",
        "2:23: `prices.unpriced.assume`: `output` is missing",
    ),
    (
        "[prices.models.\"streaming/a\"]\ninput = 0\nminute = \"-1\"",
        "3:10: `prices.models.streaming/a.minute`: `-1` is no amount: write a number like 5, 180000 or 0.25, at least 0 and with at most 9 decimals",
    ),
    (
        "[prices.models.a]\ninput = 1e-7",
        "2:9: `prices.models.a.input`: `1e-7` is no amount: write a number like 5, 180000 or 0.25, at least 0 and with at most 9 decimals",
    ),
    (
        "[prices.models.a]\ninput = \"-1\"",
        "2:9: `prices.models.a.input`: `-1` is no amount: write a number like 5, 180000 or 0.25, at least 0 and with at most 9 decimals",
    ),
    (
        "[log]\nlevel = \"inf\"",
        "2:9: `log.level`: `inf` is not known in this version (did you mean `info`?)",
    ),
    ("extends = \"assistent\"", "1:11: there is no preset `assistent` (did you mean `assistant`?)"),
    ("extends = 5", "1:11: `extends`: expected a text, found the number 5"),
    (
        "[server]\nlisten = 2026-11-22",
        "2:10: `server.listen`: expected an address like \"127.0.0.1:8787\", found a date",
    ),
    (
        "admin = { token = \"hunter2\" }",
        "1:19: `admin.token`: a secret is never written into a policy (put it in an environment variable or in .env, and write \"env:NAME\" here)",
    ),
    (
        "[admin]\ntoken = \"env:NOT_SET\"",
        "2:9: `admin.token`: the environment variable NOT_SET is not set (set it in the environment or in .env)",
    ),
    (
        "[server]\nadmin_listen = \"0.0.0.0:8788\"",
        "2:16: the control plane listens at 0.0.0.0:8788, which others can reach, and has no token (set [admin] token = \"env:NAME\", or listen on 127.0.0.1)",
    ),
    (
        "[server]\nadmin_listen = \"127.0.0.1:8787\"",
        "2:16: `server.admin_listen` is the address that `server.listen` has already",
    ),
];

#[test]
fn values_are_checked_where_they_stand() {
    for (text, expected) in VALUES {
        assert_wrong(text, &[expected]);
    }
}

/// Policies with one bad name, and what is said about it.
const NAMES: &[(&str, &str)] = &[
    (
        "[[limits]]\nname = \"User Minute\"\nconcurrency = 1",
        "2:8: `limits.User Minute.name`: `User Minute` is no name: a name has small letters, digits, `-` and `_`, at most 64",
    ),
    ("[[limits]]\nconcurrency = 1", "1:1: `limits.1`: `name` is missing"),
    (
        "limits = [{ name = \"a\", concurrency = 1 }, { name = \"a\", concurrency = 2 }]",
        "1:53: there are two limits `a`: rename one of them",
    ),
    (
        "[providers.v1]\ndialect = \"http\"\nbase_url = \"http://a\"",
        "1:12: `v1` is a path of Tollgate's own: give the provider another name",
    ),
    (
        "[providers.My]\ndialect = \"http\"\nbase_url = \"http://a\"",
        "1:12: `My` is no name of a provider: use small letters, digits, `-` and `_`",
    ),
    (
        "[providers.a]\ndialect = \"openai\"\nbase_url = \"http://a\"\nmount = \"/\"",
        "4:9: `providers.a.mount`: only a provider of dialect http is mounted at \"/\"",
    ),
    (
        "[providers.a]\ndialect = \"openai\"\nbase_url = \"http://a\"\nmount = \"/b\"",
        "4:9: `providers.a.mount`: a provider is mounted at its name, or at \"/\", not at `/b`",
    ),
    ("[providers.a]\ndialect = \"openai\"", "1:1: `providers.a`: `base_url` is missing"),
    (
        "[[keys]]\nid = \"a\"\nhash = \"tg_secret\"",
        "3:8: `keys.a.hash`: a key is kept as its hash: write `blake3:` and the 64 hexadecimal digits of the key's BLAKE3 hash, never the key itself",
    ),
    (
        "[[keys]]\nid = \"a\"\nhash = \"blake3:12\"",
        "3:8: `keys.a.hash`: a hash has 64 hexadecimal digits after `blake3:`, this one has 2 characters",
    ),
    (
        "[profile.a]\nextends = \"default\"",
        "2:1: `extends` cannot stand in a profile (write it at the top of the policy)",
    ),
    ("profile = 5", "1:1: `profile` holds tables: write [profile.NAME]"),
    ("[profile]\na = 5", "2:1: `profile.a` is a table: write [profile.a]"),
    (
        "[environment]\nA = { set = \"limits.none.requests\" }",
        "2:5: `limits.none.requests` names nothing that can be set",
    ),
    (
        "[environment]\nA = { as = \"{}/minute\" }",
        "2:5: write one of what it sets (`set`), `profile = true`, and why it is `unused`",
    ),
    (
        "[environment]\nA = \"limits.none.requests\"",
        "2:5: `environment.A`: expected a table, found the text `limits.none.requests`",
    ),
];

#[test]
fn names_are_checked() {
    for (text, expected) in NAMES {
        assert_wrong(text, &[expected]);
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    assert_wrong(
        "[providers.a]\ndialect = \"opnai\"\nbase_url = \"a\"\n[[limits]]\nname = \"x\"\nper = [\"user\", \"user\"]\n",
        &[
            "2:11: `providers.a.dialect`: `opnai` is not known in this version (did you mean `openai`?)",
            "3:12: `providers.a.base_url`: a provider's address begins with http:// or https://",
            "4:1: limit `x` does not say what it counts (give it one of requests, tokens, input_tokens, output_tokens, usd, seconds, bucket, concurrency, sessions)",
            "6:7: `limits.x.per`: `user` is there twice",
        ],
    );
}

#[test]
fn a_policy_has_a_most() {
    let limit = |n: usize| format!("[[limits]]\nname = \"l{n}\"\nconcurrency = 1\n");
    let many = |count: usize| (0..count).map(limit).collect::<String>();
    assert_eq!(load(&many(64)).expect("64 limits").policy.limits().len(), 64);
    assert_wrong(&many(65), &["1:3: there are more than 64 limits"]);
    let long = format!("#{}", " ".repeat(1 << 20));
    assert_wrong(&long, &["p.toml has more than 1 MiB, which no policy needs"]);
}

#[test]
fn no_secret_is_in_an_error() {
    let text = r#"
        [providers.a]
        dialect = "openai"
        base_url = "https://me:hunter2@host/"
        api_key = "hunter2"
        [[keys]]
        id = "a"
        hash = "hunter2"
        [admin]
        token = "env:hunter2
    "#;
    for text in [text, &text.replace("env:hunter2", "hunter2\"")] {
        let errors = load_with(text, &[("TOLLGATE_ADMIN_TOKN", "hunter2")]).expect_err("all wrong");
        for error in errors {
            let source = miette::Diagnostic::source_code(&error);
            let span = miette::SourceSpan::from(0..text.len());
            let shown = source.map(|source| source.read_span(&span, 0, 0).expect("the whole text"));
            let shown = shown.map(|shown| String::from_utf8_lossy(shown.data()).into_owned());
            let all = format!("{error} {error:?} {shown:?}").replace("env:hunter2", "");
            assert!(!all.contains("hunter2"), "{all}");
        }
    }
}
