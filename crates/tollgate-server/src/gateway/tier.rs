//! Tiers of service: where money is counted, a request for one that its model's price does not
//! hold for is refused, since it would cost more than is charged.

use http::{HeaderMap, HeaderName};
use tollgate_core::Unit;
use tollgate_meter::{Scan, ScanError, tier};

use super::{exchange::Exchange, provider::is_counted};
use crate::refusal::Failure;

/// Headers by which a tier is asked for beside the body: Bedrock's, and Vertex AI's.
static HEADERS: [HeaderName; 3] = [
    HeaderName::from_static("x-amzn-bedrock-service-tier"),
    HeaderName::from_static("x-amzn-bedrock-performanceconfig-latency"),
    HeaderName::from_static("x-vertex-ai-llm-shared-request-type"),
];

/// Refuses what its price does not hold for.
///
/// # Errors
/// Where money is counted and the request asks for a dearer tier.
pub(super) fn check(exchange: &Exchange, scan: &Scan, headers: &HeaderMap) -> Result<(), Failure> {
    match scan.dearer.or_else(|| named(headers)) {
        Some(by) if is_counted(exchange, &[Unit::Usd]) => Err(ScanError::Unpriced(by).into()),
        _ => Ok(()),
    }
}

/// The header that asks for a dearer tier.
fn named(headers: &HeaderMap) -> Option<&'static str> {
    let is_dearer = |name: &&HeaderName| {
        let mut values = headers.get_all(*name).iter();
        values.any(|value| !value.to_str().is_ok_and(tier::is_usual))
    };
    HEADERS.iter().find(is_dearer).map(HeaderName::as_str)
}
