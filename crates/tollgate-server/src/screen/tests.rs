//! Frames of readings: on the smallest screen and on a large one, with nothing and with too much.

use std::time::Duration;

use ratatui::{Terminal, backend::TestBackend, buffer::Buffer, style::Modifier};
use serde_json::{Value, json};
use tollgate_core::Time;

use super::*;

const SMALL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (200, 50);

fn at(seconds: u64) -> Time {
    Time::ZERO.after(Duration::from_secs(seconds))
}

fn monitor() -> Value {
    json!({
        "overall_status": "degraded", "health_score": 71, "emergency": null,
        "services": {
            "anthropic": {
                "status": "critical", "success_rate": 0.413, "circuit": "open", "concurrent": 0,
                "queue": 7, "cost_usd": "3.25", "cost_per_minute_usd": "0",
                "latency_ms": {"p50": 850.0, "p95": 12_345.0}, "requests": 812,
            },
            "openai": {
                "status": "healthy", "success_rate": 0.9995, "circuit": "closed",
                "concurrent": 12, "queue": 0, "cost_usd": "9.2500001",
                "cost_per_minute_usd": "0.42", "latency_ms": {"p50": 120.0, "p95": 480.0},
                "requests": 123_456, "input_tokens": 5,
            },
            "sandbox": {
                "status": "idle", "success_rate": null, "circuit": "closed", "concurrent": 0,
                "queue": 0, "cost_usd": "0", "cost_per_minute_usd": "0", "latency_ms": null,
                "requests": 0,
            },
        },
        "queues": [{"limit": "user-minute", "waiting": 7, "fullest": 0.7}],
        "total": {"queue": 7, "cost_per_minute_usd": "0.42"},
        "alerts": [
            {
                "name": "cost_spike", "severity": "warning", "subject": null, "value": 2.5,
                "threshold": 2, "since_at": "2026-11-30T11:00:00Z", "message": "Spend is high.",
            },
            {
                "name": "circuit_open", "severity": "critical", "subject": "anthropic",
                "value": 1, "threshold": 1, "since_at": "2026-11-30T11:59:30Z",
                "message": "The circuit of anthropic is open.",
            },
        ],
    })
}

fn status() -> Value {
    json!({
        "version": "0.1.0", "stage": "serving", "started_at": "2026-11-30T09:00:00Z",
        "uptime_seconds": 10_800, "listen": "127.0.0.1:8787",
        "policy": {"profile": "production", "providers": [], "warnings": []},
        "store": {"kind": "embedded", "healthy": true},
        "totals": {
            "requests": 1_234_567, "admitted": 1_230_000, "refused": 4_567,
            "input_tokens": 98_765_432, "output_tokens": 1_234_567, "cost_usd": "12.5000001",
            "overrun_usd": "0.25",
        },
        "cache": {"saved_usd": "1.5"}, "concurrent": 12, "waiting": 7, "users": 8,
        "limits": [
            {
                "name": "user-minute", "per": ["user"], "allows": "10 requests per minute",
                "shadow": false, "soft": false, "refused": 4_500, "waited": 12, "shadowed": 0,
            },
            {
                "name": "all-spend", "per": [], "allows": "$100 per day", "shadow": false,
                "soft": false, "refused": 0, "waited": 0, "shadowed": 0, "dial": 0.5,
                "standing": {
                    "name": "all-spend", "unit": "usd", "limit": 100.0, "remaining": 12.5,
                    "reset_at": "2026-12-01T00:00:00Z",
                },
            },
        ],
        "budget_warnings": [
            {"at": "2026-11-30T11:30:00Z", "message": "BUDGET all-spend is at 80 %."},
        ],
    })
}

fn answers() -> Answers {
    let spender = |name: &str, by: &str, cost: &str, share: f64| {
        json!({
            by: name, "cost_usd": cost, "requests": 1200, "input_tokens": 1_234_567,
            "output_tokens": 54_321, "overrun_usd": "0", "estimated": 2, "share_percent": share,
        })
    };
    let total = json!({
        "requests": 1500, "input_tokens": 2_000_000, "output_tokens": 90_000, "seconds": 0.0,
        "cost_usd": "12.5", "overrun_usd": "0.25", "estimated": 3,
    });
    Answers {
        monitor: monitor(),
        status: status(),
        circuits: json!({"circuits": [{
            "provider": "anthropic", "model": "claude", "state": "open", "calls": 20,
            "failures": 12, "in_flight": 0, "waiting": 7,
        }]}),
        by_user: json!({"total": total, "rows": [
            spender("ada", "user", "10", 80.0), spender("", "user", "2.5", 20.0),
        ]}),
        by_model: json!({"total": total, "rows": [spender("gpt-4o", "model", "12.5", 100.0)]}),
        no_spend: None,
    }
}

fn screen(answers: &Answers) -> Screen {
    let palette = Palette { has_colors: true };
    let mut screen =
        Screen::new("http://127.0.0.1:8788", "1 s".to_owned(), palette, View::Overview, at(0));
    screen.hear(Reading::of(answers), at(0));
    screen
}

fn shown(screen: &Screen, size: (u16, u16)) -> String {
    text(screen, at(0), size)
}

fn drawn(screen: &Screen, (columns, rows): (u16, u16)) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    let area = ratatui::layout::Rect::new(0, 0, columns, rows);
    terminal.draw(|frame| draw(screen, at(0), area, frame.buffer_mut())).unwrap();
    terminal.backend().buffer().clone()
}

fn press(screen: &mut Screen, keys: &str) {
    for key in keys.chars() {
        screen.press(if key == '\n' { Key::Enter } else { Key::Char(key) });
    }
}

#[test]
fn every_view_is_whole_on_the_smallest_screen_and_on_a_large_one() {
    for (size, name) in [(SMALL, "small"), (LARGE, "large")] {
        let mut screen = screen(&answers());
        let views = ["overview", "services", "limits", "spend", "alerts", "help"];
        for (key, view) in ['1', '2', '3', '4', '5', '?'].into_iter().zip(views) {
            screen.press(Key::Char(key));
            insta::assert_snapshot!(format!("{name}_{view}"), shown(&screen, size));
        }
    }
}

#[test]
fn a_detail_tells_all_that_is_known_of_what_is_selected() {
    let mut screen = screen(&answers());
    press(&mut screen, "2\n");
    let text = shown(&screen, SMALL);
    for fact in ["─ anthropic", "41.3 %", "12.3 s", "claude: open, 0 running, 7 waiting, 12 of 20"]
    {
        assert!(text.contains(fact), "{fact}\n{text}");
    }
    screen.press(Key::Escape);
    press(&mut screen, "j\n");
    let text = shown(&screen, SMALL);
    assert!(text.contains("$9.2500001") && text.contains("input_tokens: 5"), "{text}");
    press(&mut screen, "3j\n");
    let text = shown(&screen, SMALL);
    assert!(text.contains("$12.50 of $100.00 usd") && text.contains("50.0 %"), "{text}");
    press(&mut screen, "4\n");
    assert!(shown(&screen, SMALL).contains("1,234,567"));
    press(&mut screen, "5\n");
    let text = shown(&screen, SMALL);
    assert!(text.contains("The circuit of anthropic is open.") && text.contains("30 s"), "{text}");
}

#[test]
fn what_is_selected_stays_selected_where_others_come_and_go() {
    let mut screen = screen(&answers());
    press(&mut screen, "2j");
    let mut more = answers();
    more.monitor["services"]["aaa"] = json!({"status": "critical"});
    screen.hear(Reading::of(&more), at(1));
    press(&mut screen, "\n");
    assert!(shown(&screen, SMALL).contains("─ openai"), "{}", shown(&screen, SMALL));
    // What was looked at is gone: nothing else is shown in its place.
    more.monitor["services"].as_object_mut().unwrap().remove("openai");
    screen.hear(Reading::of(&more), at(2));
    assert!(shown(&screen, SMALL).contains("─ Services"));
}

#[test]
fn an_emergency_and_a_gateway_that_is_away_are_loud() {
    let mut answers = answers();
    answers.monitor["emergency"] = json!({
        "since_at": "2026-11-30T11:50:00Z", "until_at": "2026-11-30T12:20:00Z", "who": "ada",
        "reason": "their bill",
    });
    let mut screen = screen(&answers);
    screen.miss("nothing answers at http://127.0.0.1:8788", at(3));
    screen.miss("nothing answers at http://127.0.0.1:8788", at(9));
    let text = text(&screen, at(15), SMALL);
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    assert_eq!(
        lines[2..6].join(" "),
        "EMERGENCY: only critical work passes, since 11:50:00 until 12:20:00 (20 min \
         left), by ada: their bill NO ANSWER for 12 s: nothing answers at \
         http://127.0.0.1:8788. Shown is how it was at 12:00:00."
    );
    let buf = drawn(&screen, SMALL);
    assert!(buf[(1, 2)].modifier.contains(Modifier::REVERSED | Modifier::BOLD));
    // It recovers by itself.
    screen.hear(Reading::of(&answers), at(16));
    assert!(!super::text(&screen, at(16), SMALL).contains("NO ANSWER"));
}

#[test]
fn before_the_first_answer_it_says_whom_it_asks() {
    let palette = Palette { has_colors: false };
    let mut screen = Screen::new("http://x:1", "1 s".to_owned(), palette, View::Limits, at(0));
    assert!(shown(&screen, SMALL).contains("Asking http://x:1"));
    screen.miss("nothing answers", at(0));
    let text = shown(&screen, SMALL);
    assert!(text.contains("NO ANSWER for 0 s: nothing answers."), "{text}");
    assert!(text.contains("goes on by itself"), "{text}");
}

#[test]
fn an_answer_without_members_and_one_of_other_kinds_are_shown() {
    let odd = json!({
        "overall_status": 7, "health_score": "x", "emergency": [], "alerts": {}, "services": {
            "a": null, "b": {"success_rate": "?", "circuit": {}, "latency_ms": 3},
        },
    });
    for monitor in [Value::Null, json!({}), odd] {
        for status in [Value::Null, json!({"limits": [null, {}, 3], "totals": "x"})] {
            let answers = Answers { monitor: monitor.clone(), status, ..Answers::default() };
            let mut screen = screen(&answers);
            for keys in ["1", "2", "\n", "3", "\n", "4", "\n", "5", "\n", "?"] {
                press(&mut screen, keys);
                shown(&screen, SMALL);
                shown(&screen, LARGE);
            }
        }
    }
}

/// Names that try to break a line, and more of everything than there is room for.
fn crowded() -> Answers {
    let mut answers = answers();
    let hostile = "\u{1b}[2J\r\n\u{202e}evil界".to_owned() + &"x".repeat(300);
    let limit = answers.status["limits"][1].clone();
    let many = (0..200).map(|nth| {
        let mut limit = limit.clone();
        limit["name"] = json!(format!("{nth:03}-{hostile}"));
        limit["allows"] = json!(hostile);
        limit["refused"] = json!(u64::MAX);
        limit
    });
    answers.status["limits"] = many.collect();
    for nth in 0..100 {
        let service = answers.monitor["services"]["openai"].clone();
        answers.monitor["services"][format!("{nth:02}{hostile}")] = service;
    }
    let alert = answers.monitor["alerts"][1].clone();
    answers.monitor["alerts"] = (0..100)
        .map(|nth| {
            let mut alert = alert.clone();
            alert["subject"] = json!(format!("{nth}{hostile}"));
            (alert["name"], alert["message"]) = (json!(hostile), json!(hostile));
            alert
        })
        .collect();
    answers.by_user["rows"][0]["user"] = json!(hostile);
    answers
}

#[test]
fn hostile_names_and_hundreds_of_things_break_no_line() {
    let mut answers = crowded();
    let reason = format!("\u{1b}[2J\r\n{}", "their bill ".repeat(40));
    answers.monitor["emergency"] = json!({ "who": reason, "reason": reason });
    let mut screen = screen(&answers);
    screen.miss(&"nothing answers ".repeat(40), at(3));
    screen.miss(&"nothing answers ".repeat(40), at(9));
    for size in [SMALL, LARGE, (44, 12), (45, 13), (121, 24)] {
        for keys in ["1", "2", "\n", "3", "\n", "4", "\n", "5", "\n"] {
            press(&mut screen, keys);
            let text = shown(&screen, size);
            assert_eq!(text.lines().count(), usize::from(size.1));
            assert!(text.contains("EMERGENCY:") && text.contains("NO ANSWER for"), "{text}");
            for line in text.lines() {
                assert!(words::width(line) <= usize::from(size.0), "{line:?}");
                assert!(!line.contains(['\u{1b}', '\r', '\u{202e}']), "{line:?}");
                // The terminal's own filter would drop such a character without a trace.
                let of = |part: &str| line.matches(part).count();
                assert_eq!(of("[2J"), of("·[2J"), "{line:?}");
            }
        }
    }
}

#[test]
fn the_last_of_two_hundred_is_reached_and_numbers_are_whole() {
    let mut screen = screen(&crowded());
    press(&mut screen, "3G");
    let text = shown(&screen, SMALL);
    assert!(text.contains("Limits 182–200 of 200"), "{text}");
    assert!(text.contains("199-·[2J"), "{text}");
    // The largest number of all, in as many columns as there are for one.
    assert!(text.lines().filter(|line| line.contains(" 18446744T ")).count() == 19, "{text}");
    press(&mut screen, "g");
    assert!(shown(&screen, SMALL).contains("000-·[2J"));
}

#[test]
fn without_colors_there_are_none() {
    let mut screen = screen(&answers());
    let has_color = |screen: &Screen| {
        let reset = ratatui::style::Color::Reset;
        drawn(screen, LARGE).content().iter().any(|it| it.fg != reset || it.bg != reset)
    };
    assert!(has_color(&screen));
    screen.palette.has_colors = false;
    assert!(!has_color(&screen));
}

#[test]
fn what_it_cost_is_told_or_why_that_is_not_known() {
    let mut answers = answers();
    (answers.by_user, answers.by_model) = (Value::Null, Value::Null);
    answers.no_spend = Some("This process keeps its numbers in memory.".to_owned());
    let mut screen = screen(&answers);
    press(&mut screen, "4");
    assert!(shown(&screen, SMALL).contains("This process keeps its numbers in memory."));
}

#[test]
fn a_history_grows_with_what_grows_and_begins_anew_with_the_gateway() {
    let mut answers = answers();
    let mut screen = screen(&answers);
    answers.status["totals"]["requests"] = json!(1_234_567 + 50);
    screen.hear(Reading::of(&answers), at(2));
    assert!(shown(&screen, SMALL).contains("25.0/s"), "{}", shown(&screen, SMALL));
    answers.status["totals"]["requests"] = json!(3);
    screen.hear(Reading::of(&answers), at(4));
    assert!(shown(&screen, SMALL).contains("25.0/s"), "a fall is no rate");
    answers.status["totals"]["requests"] = json!(5);
    screen.hear(Reading::of(&answers), at(6));
    assert!(shown(&screen, SMALL).contains("1.0/s"));
}

#[test]
fn pause_asks_nothing_until_it_is_over() {
    let mut screen = screen(&answers());
    assert_eq!(screen.press(Key::Char('p')), None);
    assert!(screen.is_paused() && shown(&screen, SMALL).contains("PAUSED"));
    assert_eq!(screen.press(Key::Char('r')), Some(Wish::Ask), "asked for by hand");
    assert_eq!(screen.press(Key::Char('p')), Some(Wish::Ask));
    assert!(!screen.is_paused());
    assert_eq!(screen.press(Key::Interrupt), Some(Wish::Quit));
}
