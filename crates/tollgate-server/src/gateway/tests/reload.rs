//! Another policy while requests run: whole, or not at all.

use std::{fs, path::Path, time::Duration};

use http::StatusCode;

use super::{
    CHAT, COMPLETION, Provider, Running,
    running::{BASE, up},
};
use crate::{
    config::{Locations, PolicyArgs},
    reload::reload,
};

/// A policy file, and how it is found.
struct File {
    folder: tempfile::TempDir,
    base: String,
}

impl File {
    fn new(provider: &Provider) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder, base: format!("{BASE}{}", up(&provider.base_url())) }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, limits: &str) -> Locations {
        fs::write(self.path().join("policy.toml"), format!("{}{limits}", self.base))
            .expect("a file");
        Locations {
            args: PolicyArgs { policy: Some("policy.toml".into()), ..PolicyArgs::default() },
            folder: self.path().to_owned(),
            environment: Vec::new(),
        }
    }
}

fn requests(amount: u64) -> String {
    format!("[[limits]]\nname = \"all-minute\"\nrequests = \"{amount}/minute\"\n")
}

#[tokio::test]
async fn a_changed_amount_counts_on_from_what_was_used() {
    let provider = Provider::json(COMPLETION).await;
    let file = File::new(&provider);
    let policy = format!("{}{}", up(&provider.base_url()), requests(2));
    let running = Running::with(&policy).await;
    for _ in 0..2 {
        assert_eq!(running.chat(CHAT).await.status, StatusCode::OK);
    }
    assert_eq!(running.chat(CHAT).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(reload(&running.app, &file.write(&requests(3))));
    let answer = running.chat(CHAT).await;
    assert_eq!(answer.header("ratelimit"), Some(r#""all-minute";r=0;t=60"#));
    assert_eq!(running.chat(CHAT).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(reload(&running.app, &file.write("")));
    assert_eq!(running.chat(CHAT).await.header("ratelimit"), None, "the limit is gone");
    assert_eq!((running.app.reloads.good(), running.app.reloads.bad()), (2, 0));
}

#[tokio::test]
async fn a_bad_policy_keeps_the_old_one() {
    let provider = Provider::json(COMPLETION).await;
    let file = File::new(&provider);
    let policy = format!("{}{}", up(&provider.base_url()), requests(2));
    let running = Running::with(&policy).await;
    for bad in ["[[limits]]\nname = \"a\"\nrequest = \"1/minute\"\n", "[", "\u{0}"] {
        assert!(!reload(&running.app, &file.write(bad)), "{bad}");
    }
    fs::remove_file(file.path().join("policy.toml")).expect("a file");
    let gone = Locations {
        args: PolicyArgs { policy: Some("policy.toml".into()), ..PolicyArgs::default() },
        folder: file.path().to_owned(),
        environment: Vec::new(),
    };
    assert!(!reload(&running.app, &gone));
    assert_eq!((running.app.reloads.good(), running.app.reloads.bad()), (0, 4));
    let answer = running.chat(CHAT).await;
    assert_eq!(answer.header("ratelimit"), Some(r#""all-minute";r=1;t=60"#));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_every_request_sees_one_policy_and_none_is_lost() {
    let provider = Provider::json(COMPLETION).await;
    let file = File::new(&provider);
    let limits = |amount: u64| {
        let named =
            |name: &str| format!("[[limits]]\nname = \"{name}\"\nrequests = \"{amount}/minute\"\n");
        format!("{}{}", named("first"), named("second"))
    };
    let policy = format!("{}{}", up(&provider.base_url()), limits(10_000));
    let running = Running::with(&policy).await;
    let asking = async {
        for _ in 0..100 {
            let answer = running.chat(CHAT).await;
            assert_eq!(answer.status, StatusCode::OK);
            let told = answer.header("ratelimit-policy").expect("limits");
            let amounts: Vec<&str> = told
                .split(";q=")
                .skip(1)
                .map(|rest| rest.split(';').next().expect("one"))
                .collect();
            assert!(amounts.len() == 2 && amounts[0] == amounts[1], "{told}");
            running.advance(Duration::from_millis(1));
        }
    };
    let reloading = async {
        for round in 0..50 {
            let (app, locations) = (running.app.clone(), file.write(&limits(10_001 + round % 2)));
            let reloaded = tokio::task::spawn_blocking(move || reload(&app, &locations));
            assert!(reloaded.await.expect("no panic"));
        }
    };
    tokio::join!(asking, reloading);
    assert_eq!(running.app.metrics.totals().admitted, 100);
    assert_eq!(running.app.metrics.concurrent(), 0);
}
