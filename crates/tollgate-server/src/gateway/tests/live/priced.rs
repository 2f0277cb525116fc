//! What a live session costs: not what recorded audio does.

use http::StatusCode;

use super::{RAW, SECOND, before_sandbox, caller::call, seconds, settled};

/// What one second costs, in nano-dollars; else why there is none.
async fn second(policy: &str, query: &str) -> Result<u64, String> {
    let running = before_sandbox(&format!("{}{policy}", seconds(1_000))).await;
    match call(&running, query, "").await {
        Ok(mut caller) => {
            caller.speak(SECOND).await;
            caller.finish().await;
            caller.until("Metadata").await;
            let (nanos, millis) = settled(&running).await;
            assert_eq!(millis, 1_000);
            Ok(nanos)
        }
        Err(refused) => {
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{query}");
            Err(refused.json()["err_msg"].as_str().expect("a sentence").to_owned())
        }
    }
}

#[tokio::test]
async fn a_session_costs_what_its_model_costs_live_and_what_it_asks_for_beside() {
    for (more, nanos) in [
        ("", 80_000),
        ("&language=multi", 96_670),
        ("&diarize=true&redact=pci&redact=ssn&smart_format=true", 80_000 + 33_330 + 33_330),
        ("&language=multi&keyterm=a&diarize=false", 96_670 + 21_670),
    ] {
        assert_eq!(second("", &format!("{RAW}{more}")).await, Ok(nanos), "{more}");
    }
}

#[tokio::test]
async fn a_model_whose_price_is_of_recorded_audio_alone_is_refused_until_it_has_one() {
    let query = RAW.replace("nova-3", "nova-2");
    let own =
        |model: &str, minute: &str| format!("[prices.models.\"{model}\"]\ninput = 0\n{minute}");
    let price = "minute = \"0.0058\"\n";
    for policy in [String::new(), own("nova-2", price), own("streaming/nova-2", "")] {
        let sentence = second(&policy, &query).await.expect_err("no price");
        let entry = "ask the operator for `minute` under `[prices.models.\"streaming/nova-2\"]`";
        assert!(sentence.contains(entry), "{policy}{sentence}");
    }
    // 96,666.66... nano-dollars.
    assert_eq!(second(&own("streaming/nova-2", price), &query).await, Ok(96_667));
    assert_eq!(second(&own("streaming/nova-3", "minute = 0.06\n"), RAW).await, Ok(1_000_000));
}

#[tokio::test]
async fn recorded_audio_of_a_model_that_has_a_price_of_tokens_alone_is_refused() {
    let own = |minute: &str| format!("[prices.models.\"nova-3\"]\ninput = 0\n{minute}");
    let mut wav = b"RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00".to_vec();
    wav.extend([16_000_u32, 32_000].map(u32::to_le_bytes).concat());
    wav.extend(b"\x02\x00\x10\x00data\xff\xff\xff\xff");
    wav.resize(SECOND, 0);
    for (policy, cost) in [
        (own(""), None),
        (
            "[prices]\nunpriced = { assume = { input = 1, output = 1 } }\n".to_owned() + &own(""),
            None,
        ),
        (own("minute = \"0.06\"\n"), Some(1_000_000)),
        (String::new(), Some(71_670)),
    ] {
        let running = before_sandbox(&format!("{}{policy}", seconds(1_000))).await;
        let request = http::Request::post("/up/v1/listen?model=nova-3")
            .header("content-type", "audio/wav")
            .body(http_body_util::Full::new(wav.clone().into()));
        let answer = running.send(request.expect("a request")).await;
        let Some(cost) = cost else {
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{policy}");
            let sentence = answer.json()["err_msg"].as_str().expect("a sentence").to_owned();
            let entry = "ask the operator for `minute` under `[prices.models.\"nova-3\"]`";
            assert!(sentence.contains(entry), "{sentence}");
            continue;
        };
        assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
        assert_eq!(settled(&running).await, (cost, 1_000), "{policy}");
    }
}

#[tokio::test]
async fn what_is_assumed_of_tokens_alone_is_no_price_of_audio() {
    let query = RAW.replace("nova-3", "nova-2");
    let assumed = |minute: &str| {
        format!("[prices]\nunpriced = {{ assume = {{ input = 1, output = 1{minute} }} }}\n")
    };
    assert!(second(&assumed(""), &query).await.is_err());
    assert_eq!(second(&assumed(", minute = 0.006"), &query).await, Ok(100_000));
    assert_eq!(second("[prices]\nunpriced = \"free\"\n", &query).await, Ok(0));
}
