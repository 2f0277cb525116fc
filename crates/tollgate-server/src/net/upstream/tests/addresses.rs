//! Metadata services are never connected to, however their address is written or found.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::{Ready, ready},
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_util::client::legacy::connect::dns::Name;
use tokio::net::TcpListener;
use tower::{Service, ServiceExt as _};

use super::super::{
    address::is_forbidden,
    connector::{Connector, Forbidden},
};
use crate::net::BoxError;

/// A resolver whose answers are given beforehand, one for each time it is asked.
#[derive(Clone)]
struct Told(Arc<parking_lot::Mutex<VecDeque<Vec<IpAddr>>>>);

impl Service<Name> for Told {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Name) -> Self::Future {
        let found: Vec<SocketAddr> = self
            .0
            .lock()
            .pop_front()
            .unwrap_or_default()
            .into_iter()
            .map(|it| (it, 0).into())
            .collect();
        ready(Ok(found.into_iter()))
    }
}

fn connector(answers: &[&[&str]]) -> Connector<Told> {
    let address = |text: &&str| text.parse().expect("an address");
    let answers = answers.iter().map(|answer| answer.iter().map(address).collect()).collect();
    let resolver = Told(Arc::new(parking_lot::Mutex::new(answers)));
    Connector::new(resolver, Duration::from_secs(60)).expect("a connector")
}

async fn connect(connector: &mut Connector<Told>, target: &str) -> Result<(), BoxError> {
    let target: Uri = target.parse().expect("a target");
    connector.ready().await?.call(target).await.map(|_| ())
}

/// Whether the refusal is ours, wherever it stands in the chain.
fn is_ours(error: &BoxError) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(&**error);
    while let Some(error) = next {
        if error.is::<Forbidden>() {
            return true;
        }
        next = error.source();
    }
    false
}

const FORBIDDEN: [&str; 22] = [
    "169.254.169.254",
    "169.254.0.0",
    "169.254.170.2",
    "169.254.255.255",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "::ffff:6464:64c8",
    "::169.254.169.254",
    "::ffff:0:169.254.169.254",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::169.254.169.254",
    "2002:a9fe:a9fe::1",
    "2001:0:1:2:3:4:5601:5601",
    "fe80::1",
    "fe80::a9fe:a9fe",
    "febf:ffff::1",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd20:ce::254",
];

#[test]
fn every_spelling_is_known() {
    for text in FORBIDDEN {
        assert!(is_forbidden(text.parse().expect("an address")), "{text}");
    }
}

#[test]
fn other_addresses_are_the_operators_business() {
    for text in [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "100.64.0.1",
        "169.253.255.255",
        "169.255.0.0",
        "8.8.8.8",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::8.8.8.8",
        "2001:db8::a9fe:a9fe",
        "2606:4700::1111",
        "fd00::1",
        "fd20:ce::253",
        "fec0::1",
    ] {
        assert!(!is_forbidden(text.parse().expect("an address")), "{text}");
    }
}

#[tokio::test]
async fn an_address_in_the_policy_is_checked() {
    for text in FORBIDDEN {
        let host = match text.parse().expect("an address") {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        for scheme in ["http", "https"] {
            let target = format!("{scheme}://{host}:9/latest/meta-data/");
            let error = connect(&mut connector(&[]), &target).await.expect_err(&target);
            assert!(is_ours(&error), "{target}: {error}");
        }
    }
}

#[tokio::test]
async fn other_spellings_are_names_and_are_checked_where_they_lead() {
    // The system's resolver reads them as 169.254.169.254.
    for host in
        ["2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.16689662", "metadata.local"]
    {
        let mut connector = connector(&[&["169.254.169.254"]]);
        let error = connect(&mut connector, &format!("http://{host}:9/")).await.expect_err(host);
        assert!(is_ours(&error), "{host}: {error}");
    }
}

#[tokio::test]
async fn a_name_that_changes_its_mind_is_checked_each_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let target = format!("http://rebinding.test:{port}/");
    let mut connector =
        connector(&[&["127.0.0.1"], &["169.254.169.254", "fe80::1"], &["fe80::1", "127.0.0.1"]]);
    connect(&mut connector, &target).await.expect("an allowed address");
    let error = connect(&mut connector, &target).await.expect_err("forbidden ones only");
    assert!(is_ours(&error), "{error}");
    connect(&mut connector, &target).await.expect("the allowed one of two");
}

#[tokio::test]
async fn a_name_without_addresses_is_just_not_reached() {
    let error = connect(&mut connector(&[&[]]), "http://nobody.test/").await.expect_err("nobody");
    assert!(!is_ours(&error), "{error}");
}

#[test]
fn addresses_without_another_inside_are_left_alone() {
    assert!(!is_forbidden(IpAddr::V6(Ipv6Addr::UNSPECIFIED)));
    assert!(!is_forbidden(IpAddr::V6(Ipv6Addr::LOCALHOST)));
}
