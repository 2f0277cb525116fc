//! Providers of each dialect, and what lets requests in there.

use super::{environment, load_with};
use crate::policy::{PolicyError, Sources, json_schema, settings::Dialect};

const VARIABLES: [(&str, &str); 4] =
    [("ID", "AKIDEXAMPLE"), ("SECRET", "hunter2"), ("TOKEN", "hunter3"), ("KEY", "hunter4")];

const AWS: &str = "aws = { access_key_id = \"env:ID\", secret_access_key = \"env:SECRET\"";

/// A provider `a` of that dialect, with what is said of it beside.
fn provider(dialect: &str, more: &str) -> String {
    let host = "https://bedrock-runtime.eu-west-1.amazonaws.com";
    format!("[providers.a]\ndialect = \"{dialect}\"\nbase_url = \"{host}\"\n{more}\n")
}

#[test]
fn a_provider_speaks_any_of_the_dialects() {
    let all = [
        Dialect::Openai,
        Dialect::Azure,
        Dialect::Anthropic,
        Dialect::Gemini,
        Dialect::Bedrock,
        Dialect::Deepgram,
        Dialect::Http,
    ];
    for dialect in all {
        let text = provider(dialect.name(), "");
        let config = load_with(&text, &VARIABLES).expect(&text);
        let its = &config.settings.providers["a"];
        assert_eq!(its.dialect, dialect);
        let bound = (dialect != Dialect::Http).then_some(32 << 20);
        assert_eq!(its.body_bound(&config.settings), bound, "{text}");
        assert!(config.to_toml().contains(&format!("dialect = \"{}\"", dialect.name())));
    }
}

#[test]
fn credentials_of_aws_are_secrets_and_sign_for_a_region() {
    let text = provider("bedrock", &format!("{AWS}, session_token = \"env:TOKEN\" }}"));
    let config = load_with(&text, &VARIABLES).expect("a good policy");
    let its = &config.settings.providers["a"];
    let aws = its.aws.as_ref().expect("credentials");
    assert_eq!(
        (aws.access_key_id.expose(), aws.secret_access_key.expose()),
        ("AKIDEXAMPLE", "hunter2")
    );
    assert_eq!(its.aws_region(), Some("eu-west-1"), "as the address tells");
    for shown in [config.to_toml(), &format!("{config:?}")] {
        assert!(!shown.contains("hunter") && !shown.contains("AKID"), "{shown}");
    }
    let region = |host: &str, set: &str| {
        let text = provider("bedrock", &format!("{AWS}{set} }}"))
            .replace("bedrock-runtime.eu-west-1.amazonaws.com", host);
        let config = load_with(&text, &VARIABLES).expect(&text);
        config.settings.providers["a"].aws_region().map(str::to_owned)
    };
    let set = ", region = \"us-west-2\"";
    assert_eq!(region("127.0.0.1:8788", set).as_deref(), Some("us-west-2"));
    assert_eq!(
        region("bedrock-runtime-fips.us-east-1.amazonaws.com", "").as_deref(),
        Some("us-east-1")
    );
    let link = "vpce-1.bedrock-runtime.us-east-2.vpce.amazonaws.com";
    assert_eq!(region(link, "").as_deref(), Some("us-east-2"));
}

#[test]
fn the_environment_reaches_what_lets_requests_in() {
    let text = provider("bedrock", &format!("{AWS} }}"));
    let overlay = ("TOLLGATE_PROVIDERS_A_AWS_REGION", "ap-south-1");
    let variables: Vec<_> = VARIABLES.into_iter().chain([overlay]).collect();
    let file = Some(("p.toml".to_owned(), text));
    let sources = Sources { file, environment: environment(&variables), ..Sources::default() };
    let config = sources.load().expect("a good policy");
    assert_eq!(config.settings.providers["a"].aws_region(), Some("ap-south-1"));
}

#[test]
fn what_a_provider_cannot_use_is_an_error() {
    let aws = format!("{AWS} }}");
    for (text, expected) in [
        (
            provider("openai", &aws),
            "4:7: `providers.a.aws`: only a provider of dialect bedrock has credentials of AWS",
        ),
        (
            provider("bedrock", &format!("{aws}\napi_key = \"env:KEY\"")),
            "4:7: `providers.a.aws`: give either these credentials or an api_key, not both",
        ),
        (
            provider("bedrock", &aws).replace("amazonaws.com", "example.com"),
            "4:7: `providers.a.aws`: the address does not tell the region: set `region`, like \"us-east-1\"",
        ),
        (
            provider("openai", "deployments = { chat = \"gpt-4o\" }"),
            "4:15: `providers.a.deployments`: only a provider of dialect azure has them",
        ),
        (
            provider("bedrock", "aws = { access_key_id = \"AKIDEXAMPLE\" }"),
            "4:25: `providers.a.aws.access_key_id`: a secret is never written into a policy",
        ),
        (
            provider("bedrock", "aws = { access_key_id = \"env:ID\" }"),
            "`providers.a.aws`: `secret_access_key` is missing",
        ),
    ] {
        let errors = load_with(&text, &VARIABLES).expect_err(&text);
        let told: Vec<String> = errors.iter().map(PolicyError::on_one_line).collect();
        assert!(told.iter().any(|error| error.contains(expected)), "{told:#?}\n{expected}");
        assert!(!told.concat().contains("AKID"), "no secret is told: {told:?}");
    }
}

#[test]
fn the_schema_describes_them() {
    let validator = jsonschema::validator_for(&json_schema()).expect("the schema is one");
    let is_valid = |text: &str| {
        let table: toml::Table = text.parse().expect("TOML");
        validator.is_valid(&serde_json::to_value(table).expect("JSON"))
    };
    assert!(is_valid(&provider("bedrock", &format!("{AWS}, region = \"us-east-1\" }}"))));
    assert!(is_valid(&provider("azure", "deployments = { chat = \"gpt-4o\" }")));
    assert!(!is_valid(&provider("bedrock", "aws = { access_key_id = \"AKIDEXAMPLE\" }")));
    assert!(!is_valid(&provider("bedrock", "aws = { access_key = \"env:ID\" }")));
    assert!(!is_valid(&provider("azure", "deployments = { chat = 4 }")));
    assert!(!is_valid(&provider("cohere", "")));
}
