//! Who would ask for what, by options.

use serde_json::{Map, Value, json};

/// Who would ask, and for how much.
#[derive(Debug, clap::Args)]
#[group(id = "asked", multiple = true)]
pub(super) struct AskedArgs {
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    #[arg(long, value_name = "NAME")]
    team: Option<String>,
    #[arg(long, value_name = "NAME")]
    customer: Option<String>,
    #[arg(long, value_name = "NAME")]
    tier: Option<String>,
    /// A managed key's id
    #[arg(long, value_name = "ID")]
    key: Option<String>,
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    #[arg(long, value_name = "NAME")]
    task: Option<String>,
    #[arg(long, value_name = "NAME")]
    tag: Option<String>,
    #[arg(long, value_name = "NAME")]
    priority: Option<String>,
    /// Another attribute; may be given often
    #[arg(long = "attribute", value_name = "NAME=VALUE", value_parser = pair)]
    attributes: Vec<(String, String)>,
    /// How many requests; 1 if not given
    #[arg(long, value_name = "N")]
    requests: Option<u64>,
    #[arg(long, value_name = "N")]
    input_tokens: Option<u64>,
    #[arg(long, value_name = "N")]
    output_tokens: Option<u64>,
    /// Dollars; by the model's price and the tokens if not given
    #[arg(long, value_name = "USD")]
    usd: Option<String>,
    /// Seconds of audio
    #[arg(long, value_name = "N")]
    seconds: Option<f64>,
}

impl AskedArgs {
    /// Whether nothing is said.
    pub(super) fn is_empty(&self) -> bool {
        self.body() == json!({})
    }

    /// As `/v1/explain` reads it.
    pub(super) fn body(&self) -> Value {
        let texts = [
            ("user", &self.user),
            ("team", &self.team),
            ("customer", &self.customer),
            ("tier", &self.tier),
            ("provider", &self.provider),
            ("model", &self.model),
            ("task", &self.task),
            ("tag", &self.tag),
            ("priority", &self.priority),
        ];
        let texts =
            texts.into_iter().filter_map(|(name, text)| Some((name, json!(text.as_ref()?))));
        let mut body: Map<String, Value> = texts.map(|(name, it)| (name.to_owned(), it)).collect();
        let key = self.key.iter().map(|key| ("key".to_owned(), json!(key)));
        let others = self.attributes.iter().map(|(name, value)| (name.clone(), json!(value)));
        let others: Map<String, Value> = key.chain(others).collect();
        if !others.is_empty() {
            body.insert("attributes".to_owned(), others.into());
        }
        let amounts = [
            ("requests", self.requests.map(Value::from)),
            ("input_tokens", self.input_tokens.map(Value::from)),
            ("output_tokens", self.output_tokens.map(Value::from)),
            ("usd", self.usd.clone().map(Value::from)),
            ("seconds", self.seconds.map(Value::from)),
        ];
        let amounts = amounts.into_iter().filter_map(|(name, it)| Some((name.to_owned(), it?)));
        let demand: Map<String, Value> = amounts.collect();
        if !demand.is_empty() {
            body.insert("demand".to_owned(), demand.into());
        }
        body.into()
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it like region=eu")?;
    Ok((name.to_owned(), value.to_owned()))
}
