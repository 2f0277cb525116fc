//! Under overload, an answer that was given before is better than none.
//!
//! `cargo run -p tollgate --example fallback`

use std::collections::HashMap;

use tollgate::{Limiter, Limits, Overload};

/// Answers that were given before, by question.
type Cache = HashMap<&'static str, String>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Overload> {
    let one =
        Limits { max_concurrent_per_user: 1, max_queue_size_per_user: 0, ..Limits::default() };
    let (limiter, mut cache) = (Limiter::new(one), Cache::new());
    assert_eq!(ask(&limiter, &mut cache, "why?").await?, "a fresh answer to why?");
    let _busy = limiter.acquire("alice").await?;
    assert_eq!(
        ask(&limiter, &mut cache, "why?").await?,
        "a fresh answer to why?",
        "from the cache"
    );
    let unknown = ask(&limiter, &mut cache, "who?").await;
    assert!(unknown.is_err_and(|overload| overload.status == 429), "nobody asked that before");
    Ok(())
}

async fn ask(
    limiter: &Limiter,
    cache: &mut Cache,
    question: &'static str,
) -> Result<String, Overload> {
    match limiter.acquire("alice").await {
        Ok(_slot) => {
            let answer = format!("a fresh answer to {question}");
            cache.insert(question, answer.clone());
            Ok(answer)
        }
        Err(overload) => cache.get(question).cloned().ok_or(overload),
    }
}
