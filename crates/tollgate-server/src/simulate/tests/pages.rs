//! The report as people read it.

use super::*;
use crate::simulate::{page, report::Report};

const POLICY: &str = "[models.any]\nmodels = [\"sandbox/a\", \"sandbox/b\"]\n[[limits]]\nname = \"a-few\"\nwhen = { model = \"a\" }\nrequests = \"6/minute\"\nqueue = { size = 4, timeout = \"3s\" }\n[[limits]]\nname = \"b-few\"\nwhen = { model = \"b\" }\nrequests = \"6/minute\"\n";

fn report(counts: &[u32], variations: &[Variation]) -> Report {
    let scene = users("10s", "60", Duration::from_secs(120));
    let runs = counts.iter().flat_map(|count| variations.iter().map(|it| (*count, *it)));
    let rows = runs.map(|(count, it)| play(POLICY, &scene, count, it).0).collect();
    Report::new("a <b> & \"c\".toml".to_owned(), &scene, rows, 2)
}

/// Fails where an element is not closed in its order.
#[track_caller]
fn assert_well_formed(page: &str) {
    let mut open = Vec::new();
    let page = page.trim_start_matches("<!doctype html>");
    for part in page.split('<').skip(1) {
        let (tag, text) = part.split_once('>').expect("every tag ends");
        assert!(!text.contains('>'), "nothing is left unescaped: {text}");
        let name = tag.split([' ', '/']).next().unwrap_or_default();
        match tag.strip_prefix('/') {
            Some(closed) => assert_eq!(open.pop(), Some(closed)),
            None if tag.ends_with('/') => {}
            None => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn the_page_is_whole_and_needs_nothing_from_elsewhere() {
    let report = report(&[1, 3], &[Variation::Whole, Variation::WithoutBoth, Variation::Unlimited]);
    let page = page(&report);
    assert_well_formed(&page);
    for outside in ["http://", "https://", "src=", "href=", "@import", "url(", "<script"] {
        let found = page.replace("http://www.w3.org/2000/svg", "").contains(outside);
        assert!(!found, "{outside}");
    }
    assert!(page.contains("a &lt;b&gt; &amp; &quot;c&quot;.toml"), "names are but names");
    assert!(page.contains("prefers-color-scheme: dark"));
    // Three plots over users, and one over time for each number of them.
    assert_eq!(page.matches("<svg").count(), 3 + 2);
    for told in ["1 users", "3 users", "no limits", "neither", "throttled", "a-few"] {
        assert_eq!(page.contains(told), told != "no limits", "{told}");
    }
}

#[test]
fn a_page_of_one_number_and_of_nobody_served_is_whole_too() {
    assert_well_formed(&page(&report(&[2], &[Variation::Whole])));
    let scene = trace(&[0]);
    let policy = "[[limits]]\nname = \"none\"\ntokens = \"1/minute\"\n";
    let (row, _) = play(policy, &scene, 1, Variation::Whole);
    assert_eq!((row.served, row.refused), (0, 1));
    let report = Report::new("p".to_owned(), &scene, vec![row], 1);
    assert_well_formed(&page(&report));
    assert!(report.recommendation.sentence.starts_with("Not even the fewest users"));
}

#[test]
fn the_most_users_that_are_served_well_are_recommended_and_what_to_raise_for_more() {
    let report = report(&[1, 2, 12], &[Variation::Whole, Variation::Unlimited]);
    let recommendation = &report.recommendation;
    assert_eq!(recommendation.users, Some(2), "{}", recommendation.sentence);
    let raise = recommendation.raise.as_ref().map(|it| it.name.as_str());
    assert_eq!(raise, Some("a-few"), "{}", recommendation.sentence);
    assert!(
        recommendation.sentence.contains("Raise `a-few` (6 requests per minute) first"),
        "{}",
        recommendation.sentence
    );
    let needs: Vec<_> =
        report.needs.iter().map(|it| (it.users, it.instances_least, it.instances_most)).collect();
    assert_eq!(needs.len(), 3);
    assert!(
        needs.iter().all(|(users, least, most)| least <= most
            && *most == u64::from(*users).div_ceil(2).max(*least)),
        "{needs:?}"
    );
}
