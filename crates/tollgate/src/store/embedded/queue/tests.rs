use super::*;

fn entry(pending: &mut Pending) {
    pending.number();
    pending.add(&Row::Close { cell: 1 });
}

fn is_down(answer: &Result<(), StoreError>) -> bool {
    matches!(answer, Err(StoreError::Unavailable(_)))
}

#[test]
fn a_deep_queue_takes_ends_but_no_beginnings() {
    let queue = Queue::new((0, Time::ZERO), 0, 0, RuleNumbers::default());
    for _ in 0..MAX_WAITING {
        assert_eq!(queue.ready(|| true), Ok(()));
        queue.push(entry);
    }
    assert!(is_down(&queue.ready(|| false)), "there are {MAX_WAITING} rows");
    let last = queue.push(entry);
    assert_eq!(last, MAX_WAITING as u64 + 1, "an end is taken all the same");
    let mut rows = Rows::default();
    assert_eq!(queue.take(&mut rows), last);
    assert_eq!(rows.len(), MAX_WAITING + 1);
    assert_eq!(queue.ready(|| true), Ok(()));
}

#[tokio::test]
async fn durable_means_all_that_was_answered_before_is_committed() {
    let queue = Queue::new((7, Time::ZERO), 0, 0, RuleNumbers::default());
    assert_eq!(queue.durable().await, Ok(()), "what was in the file is in the file");
    queue.push(entry);
    queue.push(entry);
    let mut waiting = Box::pin(queue.durable());
    assert!(answer_of(&mut waiting).await.is_none());
    queue.committed(8);
    assert!(answer_of(&mut waiting).await.is_none(), "one of two is not enough");
    queue.push(entry);
    queue.committed(9);
    assert_eq!(answer_of(&mut waiting).await, Some(Ok(())), "the third came later");
}

#[tokio::test]
async fn a_failure_is_told_to_all_and_never_mended() {
    let queue = Queue::new((0, Time::ZERO), 0, 0, RuleNumbers::default());
    queue.push(entry);
    let mut waiting = Box::pin(queue.durable());
    assert!(answer_of(&mut waiting).await.is_none());
    queue.fail("the disk is full");
    let Some(Err(StoreError::Unavailable(why))) = answer_of(&mut waiting).await else {
        panic!("who waits is told")
    };
    assert_eq!(why, "the disk is full");
    queue.push(entry);
    assert!(is_down(&queue.durable().await) && is_down(&queue.ready(|| true)));
    assert_eq!(queue.ready(|| false), Ok(()), "what need not be written may be done");
    let mut rows = Rows::default();
    queue.take(&mut rows);
    assert!(rows.is_empty(), "rows that nobody will write are not kept");
}

/// What a future answers, if it does so now.
async fn answer_of<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(context) {
            std::task::Poll::Ready(answer) => Some(answer),
            std::task::Poll::Pending => None,
        })
    })
    .await
}
