//! A request made ready for the model that it is sent to: scanned, priced and planned as one of
//! that model.

use std::sync::Arc;

use bytes::Bytes;
use compact_str::CompactString;
use http::{HeaderMap, Uri, request::Parts};
use tollgate_core::{Attribute, Demand, Now, Unit, policy::settings::Dialect};
use tollgate_meter::{PaidTools, Scan, Tool, translate::Answers};

use super::{
    aside::{LONG_BODY_BYTES, aside},
    behind::{behind, content_type},
    candidates::Candidate,
    dialect::{self, Request, Target},
    estimate,
    exchange::{Exchange, Incoming},
    live::Call,
    open,
    planner::Planner,
    provider::is_counted,
    tier, translated,
};
use crate::{
    prices::{NoFee, Rate},
    refusal::{Failure, What},
};

/// A request as it is asked of whichever model serves it.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) head: Parts,
    /// Its path and query without the provider's name.
    pub(super) rest: String,
    /// Where that is at the provider that its path names.
    pub(super) uri: Uri,
    pub(super) body: Bytes,
    pub(super) target: Target,
    /// The model that the path is of, where paths name deployments.
    pub(super) deployment: Option<String>,
    /// The name that it was asked by, where several models stand behind it.
    pub(super) name: Option<CompactString>,
    /// The live session that it asks for.
    pub(super) call: Option<Box<Call>>,
    /// When its body was there.
    pub(super) read: Now,
}

/// A request as it is sent to one model.
pub(super) struct Prepared {
    pub(super) model: CompactString,
    pub(super) request: Request,
    pub(super) rate: Rate,
    pub(super) planner: Arc<Planner>,
    pub(super) uri: Uri,
    pub(super) body: Bytes,
    /// How what comes back is told, where it was translated.
    pub(super) answers: Option<Answers>,
}

/// A request in the words of one model's provider.
pub(super) struct Worded {
    /// The path and query without the provider's name.
    pub(super) rest: String,
    pub(super) body: Bytes,
    pub(super) target: Target,
    /// How what comes back is told, where it was translated.
    pub(super) answers: Option<Answers>,
}

/// What providers take a request to use when they admit it: what it sends, and the most that
/// it lets the model make.
pub(super) fn rough(scan: &Scan) -> Demand {
    let output = scan.max_output_tokens.unwrap_or(0).saturating_mul(scan.choices);
    Demand { input_tokens: scan.input.likely, output_tokens: output, ..Demand::ONE_REQUEST }
}

/// Makes the request one of the candidate's.
pub(super) async fn prepare(
    exchange: &mut Exchange,
    candidate: &Candidate,
    asked: &Asked,
    scanned: Option<Request>,
) -> Result<Prepared, Failure> {
    exchange.turn_to(&candidate.provider)?;
    let provider = Arc::clone(&candidate.provider);
    // What a provider calls it need not be the name that has a price.
    let known = provider.deployments.get(candidate.model.as_str());
    let model = match known.filter(|_| asked.name.is_some()) {
        Some(known) => CompactString::from(known),
        None => candidate.model.clone(),
    };
    let Worded { rest, body, target, answers } = worded(exchange, candidate, asked).await?;
    let mut request = match scanned {
        Some(request) => request,
        None => Box::pin(rescan(&model, asked, &target, &body)).await?,
    };
    match &asked.name {
        Some(name) if exchange.allow_model(Some(name)).is_ok() => {}
        _ => exchange.allow_model(Some(&model))?,
    }
    exchange.who.set(Attribute::Model, model.clone());
    let rate = match &target {
        Target::Live(target) => audio_rate(exchange, &target.live_names(&model), "A live session")?,
        Target::Listen(_) => audio_rate(exchange, &[model.to_string()], "A transcription")?,
        _ => rate(exchange, &model, &mut request.scan_mut().tools)?,
    };
    tier::check(exchange, request.scan(), &asked.head.headers)?;
    open::check(exchange, request.scan())?;
    let (request, planned) = {
        let is_live = asked.call.is_some();
        estimate::plan(exchange, request, &body, (rate.price(), is_live)).await?
    };
    let planner = Arc::new(Planner::new(&exchange.app, &rate, planned));
    let is_as_asked = !exchange.is_abroad() && rest == asked.rest;
    let uri = if is_as_asked { asked.uri.clone() } else { provider.target(&rest)? };
    Ok(Prepared { model, request, rate, planner, uri, body, answers })
}

async fn worded(
    exchange: &Exchange,
    candidate: &Candidate,
    asked: &Asked,
) -> Result<Worded, Failure> {
    if candidate.is_translated {
        return Box::pin(translated::worded(exchange, candidate, asked)).await;
    }
    let Asked { rest, body, target, name, .. } = asked;
    let Some(name) = name else {
        let (rest, body, target) = (rest.clone(), body.clone(), target.clone());
        return Ok(Worded { rest, body, target, answers: None });
    };
    let (rest, body) = behind(asked, &candidate.model).ok_or_else(|| {
        let sentence = format!(
            "`{name}` stands for several models, and this request does not name it where it could be replaced: write it once, as the API has it."
        );
        Failure::new(What::InvalidRequest, sentence).at("model")
    })?;
    let (path, query) =
        rest.split_once('?').map_or((rest.as_str(), None), |(path, query)| (path, Some(query)));
    let target = target.behind(exchange.dialect, path, query)?;
    Ok(Worded { rest, body, target, answers: None })
}

async fn rescan(
    model: &str,
    asked: &Asked,
    target: &Target,
    body: &Bytes,
) -> Result<Request, Failure> {
    let deployment = asked.deployment.as_ref().map(|_| model);
    let mut request = scan(target, deployment, &asked.head.headers, body).await?;
    if request.scan().model != model {
        request.rename(model.to_owned());
    }
    Ok(request)
}

/// Scans a body, a long one aside from the workers that others wait for.
pub(super) async fn scan(
    target: &Target,
    model: Option<&str>,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Request, Failure> {
    let content_type = content_type(headers);
    if body.len() <= LONG_BODY_BYTES {
        return Ok(target.scan(model, content_type, body)?);
    }
    let body = body.clone();
    let target = target.clone();
    let (model, content_type) = (model.map(str::to_owned), content_type.map(str::to_owned));
    Ok(aside(move || target.scan(model.as_deref(), content_type.as_deref(), &body)).await??)
}

/// The model that the path is of, where paths name deployments, or the name for several.
///
/// # Errors
/// When it may name one that is not understood: what the body names is not what is used then.
pub(super) fn deployment(
    exchange: &Exchange,
    incoming: &Incoming,
) -> Result<Option<String>, Failure> {
    let (path, _) = incoming.path_and_query();
    if exchange.dialect != Dialect::Azure {
        return Ok(None);
    }
    let name = match dialect::deployments(path) {
        0 => return Ok(None),
        1 => dialect::deployment(path),
        _ => None,
    };
    let name = name.ok_or_else(|| {
        let sentence = "The path names no deployment that can be read: write it as `/openai/deployments/NAME/…`.";
        Failure::new(What::InvalidRequest, sentence.to_owned())
    })?;
    if exchange.live.settings.models.contains_key(&name) {
        return Ok(Some(name));
    }
    Ok(Some(exchange.provider.deployments.get(&name).cloned().unwrap_or(name)))
}

/// The price of audio alone, for all of these names together.
fn audio_rate(exchange: &Exchange, names: &[String], what: &str) -> Result<Rate, Failure> {
    let prices = &exchange.live.prices;
    let missing = match prices.audio(&exchange.provider, names) {
        Ok(rate) => return Ok(rate),
        Err(missing) => missing,
    };
    prices.unpriced_audio(|| is_counted(exchange, &[Unit::Usd])).ok_or_else(|| {
        let sentence = format!(
            "{what} asks for `{missing}`, which has no price of audio here, and what it costs would be counted: ask the operator for `minute` under `[prices.models.\"{missing}\"]`."
        );
        Failure::new(What::ModelUnpriced, sentence).at("model")
    })
}

fn no_fee(NoFee { member, tool }: NoFee, model: &str) -> Failure {
    let add = match tool {
        Some(tool) => format!("for `{}` under `[prices.models.\"{model}\"]`", tool.entry()),
        None => "to let it pass, since no price can be given for it".to_owned(),
    };
    let sentence = format!(
        "`{member}` may enable a tool of the provider's that has no price here for `{model}`, and what it costs would be counted: leave it out, or ask the operator {add}."
    );
    Failure::new(What::ModelUnpriced, sentence).at(member)
}

fn rate(exchange: &Exchange, model: &str, tools: &mut PaidTools) -> Result<Rate, Failure> {
    let prices = &exchange.live.prices;
    let provider = &exchange.provider;
    let is_budgeted = || is_counted(exchange, &[Unit::Usd]);
    if let Some(rate) = prices.known(&provider.name, Some(provider), model) {
        let with_tools = prices.with_tools(rate, tools, is_budgeted);
        let rate = with_tools.map_err(|missing| no_fee(missing, model))?;
        if rate.price().is_some_and(|price| price.fees[Tool::Kept].is_some()) {
            tools.price_kept();
        }
        return Ok(rate);
    }
    prices.unpriced(is_budgeted).ok_or_else(|| {
        let sentence = format!(
            "The model `{model}` has no price here, and what it costs would be counted: use a priced model, or ask the operator to price it."
        );
        Failure::new(What::ModelUnpriced, sentence).at("model")
    })
}
