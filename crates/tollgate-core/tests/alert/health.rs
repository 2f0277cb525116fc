//! The health score: what is known of it, and that nothing bad ever raises it.

use proptest::prelude::*;
use tollgate_core::alert::{Path, Service, Signs, Status};

fn signs(services: &[Service]) -> Signs<'_> {
    Signs { services, admitted: 0, refused: 0, fullest: 0.0, is_stored: true, is_serving: true }
}

const fn service(served: u64, failed: u64, path: Path) -> Service {
    Service { served, failed, path }
}

#[test]
fn the_score_is_what_its_formula_says() {
    let none: &[Service] = &[];
    let well = [service(1_000, 0, Path::Clear)];
    let dead = [service(0, 90, Path::Clear)];
    let open = [service(0, 0, Path::Blocked), service(1_000, 0, Path::Clear)];
    for (signs, score) in [
        (signs(none), 100),
        (signs(&well), 100),
        // Nine of ten: twice forty times 0.9 are lost.
        (signs(&dead), 28),
        (signs(&open), 64),
        (signs(&[service(0, 1, Path::Clear)]), 92),
        (signs(&[service(1, 0, Path::Probed)]), 80),
        (signs(&[service(0, 0, Path::Probed)]), 100),
        (Signs { refused: 90, ..signs(none) }, 82),
        (Signs { fullest: 0.75, ..signs(none) }, 90),
        (Signs { fullest: 0.5, ..signs(none) }, 100),
        (Signs { is_stored: false, ..signs(&well) }, 0),
        (Signs { is_serving: false, ..signs(&well) }, 50),
    ] {
        assert_eq!(signs.score(), score, "{signs:?}");
    }
}

#[test]
fn a_status_is_a_word_for_what_is() {
    for (service, status) in [
        (service(0, 0, Path::Clear), Status::Idle),
        (service(9, 1, Path::Clear), Status::Healthy),
        (service(80, 20, Path::Clear), Status::Degraded),
        (service(5, 50, Path::Clear), Status::Critical),
        (service(100, 0, Path::Probed), Status::Degraded),
        (service(0, 0, Path::Probed), Status::Idle),
        (service(100, 0, Path::Blocked), Status::Critical),
    ] {
        assert_eq!(service.status(), status, "{service:?}");
    }
    let words = [100, 90, 89, 50, 49, 0].map(|score| Status::of_score(score).name());
    assert_eq!(words, ["healthy", "healthy", "degraded", "degraded", "critical", "critical"]);
    assert_eq!(service(3, 1, Path::Clear).success_rate(), Some(0.75));
    assert_eq!(service(0, 0, Path::Blocked).success_rate(), None);
}

fn services() -> impl Strategy<Value = Vec<Service>> {
    let path = prop_oneof![Just(Path::Clear), Just(Path::Probed), Just(Path::Blocked)];
    let one = (0..2_000_u64, 0..2_000_u64, path);
    let one = one.prop_map(|(served, failed, path)| service(served, failed, path));
    prop::collection::vec(one, 0..6)
}

proptest! {
    #[test]
    fn nothing_bad_ever_raises_it(
        before in services(), which in any::<prop::sample::Index>(), more in 0..500_u64,
        (admitted, refused) in (0..1_000_u64, 0..1_000_u64), fullest in 0.0..1.0_f64,
        higher in 0.0..1.0_f64,
    ) {
        let all = Signs { admitted, refused, fullest, ..signs(&before) };
        let score = all.score();
        prop_assert!(score <= 100);
        let of = |other: Signs<'_>| other.score();
        let refused = refused + more;
        prop_assert!(of(Signs { refused, ..all }) <= score, "more are refused");
        let fullest = fullest.max(higher);
        prop_assert!(of(Signs { fullest, ..all }) <= score, "a queue is fuller");
        prop_assert_eq!(of(Signs { is_stored: false, ..all }), 0);
        let idle = of(Signs { is_serving: false, ..all });
        prop_assert!(idle <= score.min(50), "nothing is taken");
        let mut worse = before.clone();
        if !before.is_empty() {
            let place = which.index(worse.len());
            worse[place].failed += more;
            prop_assert!(of(Signs { services: &worse, ..all }) <= score, "more calls fail");
            worse[place].path = Path::Blocked;
            prop_assert!(of(Signs { services: &worse, ..all }) <= score, "a circuit opens");
        }
        worse.push(service(0, more, Path::Clear));
        prop_assert!(of(Signs { services: &worse, ..all }) <= score, "another service fails");
    }
}
