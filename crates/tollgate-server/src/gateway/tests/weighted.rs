//! Models behind one name, drawn by weight.

use super::{
    Running,
    fallback::{NAMED, Up, failing, ok, told},
    running::up,
};

/// `smart` is one of three by weight: of a hundred, 75, 25 and none.
async fn three(providers: [&Up; 3]) -> Running {
    let named = ["up", "b", "c"].into_iter().zip(providers).map(|(name, provider)| {
        up(&provider.url()).replace("[providers.up]", &format!("[providers.{name}]"))
    });
    let smart = r#"
[models.smart]
models = [{ model = "c/m", weight = 0 }, { model = "up/m", weight = 3 }, { model = "b/m", weight = 1 }]
"#;
    Running::with(&(named.collect::<String>() + smart)).await
}

#[tokio::test]
async fn each_is_drawn_by_its_weight_and_one_of_no_weight_stands_in_for_the_others_alone() {
    let [first, second, last] =
        [Up::answering(&[ok()]).await, Up::answering(&[ok()]).await, Up::answering(&[ok()]).await];
    let running = three([&first, &second, &last]).await;
    for _ in 0..800 {
        assert!(told(&running.chat(NAMED).await).starts_with("200 "));
    }
    assert_eq!((first.got() + second.got(), last.got()), (800, 0));
    // Of 600 that are expected, by chance, but not once in the age of the world; of 400 were all
    // alike, hardly either.
    assert!((501..700).contains(&first.got()), "{} of 800", first.got());
    first.answer(failing("500 Internal Server Error"));
    second.answer(failing("500 Internal Server Error"));
    let answer = told(&running.chat(NAMED).await);
    assert!(answer.starts_with("200 c/m "), "{answer}");
    assert!(answer.contains("up/m=500") && answer.contains("b/m=500"), "{answer}");
    assert_eq!(last.got(), 1);
}
