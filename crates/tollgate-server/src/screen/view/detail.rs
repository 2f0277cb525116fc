//! All that is known of what is selected.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use serde_json::Value;

use super::{limits, put, section};
use crate::screen::{
    gauge::{bars, gauge},
    palette::Palette,
    reading::{Alert, Limit, Reading, Spender},
    services::Service,
    state::{Screen, View},
    told,
    words::{dollars, millis, percent, span, whole, wrapped},
};

/// A name and what it is; a line without a name stands by itself.
type Facts = Vec<(&'static str, String)>;

/// Columns of the names.
const NAMES: usize = 18;

/// The widest that a gauge or a history is.
const WIDEST: usize = 60;

pub(super) fn draw(screen: &Screen, reading: &Reading, area: Rect, buf: &mut Buffer) {
    let Some(nth) = screen.selected() else { return };
    let wide = usize::from(area.width).saturating_sub(NAMES + 2).min(WIDEST);
    let found = match screen.view {
        View::Overview | View::Services => {
            reading.services.get(nth).map(|it| (it.name.clone(), of_service(screen, it, wide)))
        }
        View::Limits => {
            reading.limits.get(nth).map(|it| (it.name.clone(), of_limit(reading, it, wide)))
        }
        View::Spend => {
            let all = reading.spend.by_user.iter().chain(&reading.spend.by_model);
            all.clone().nth(nth).map(|it| (it.name.clone(), of_spender(it, wide)))
        }
        View::Alerts => reading.alerts.get(nth).map(|it| (it.name.clone(), of_alert(reading, it))),
    };
    let Some((name, facts)) = found else { return };
    let inner = section(&name, area, buf);
    let lines = lines(&facts, usize::from(inner.width));
    let room = usize::from(inner.height);
    let first = screen.scroll.min(lines.len().saturating_sub(room));
    for (row, (name, value)) in (0..).zip(lines.iter().skip(first).take(room)) {
        put(buf, inner, row, name, Palette::quiet());
        let right = Rect {
            x: inner.x + NAMES as u16,
            width: inner.width.saturating_sub(NAMES as u16),
            ..inner
        };
        put(buf, right, row, value, Style::new());
    }
}

/// The facts in lines that are no wider than there is room.
fn lines(facts: &Facts, room: usize) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    for (name, value) in facts {
        for (nth, line) in wrapped(value, room.saturating_sub(NAMES).max(8)).into_iter().enumerate()
        {
            lines.push((if nth == 0 { *name } else { "" }, line));
        }
    }
    lines
}

fn known(value: Option<String>) -> String {
    value.unwrap_or_else(|| "-".to_owned())
}

fn of_service(screen: &Screen, service: &Service, wide: usize) -> Facts {
    let trend = screen.trends.of_service(&service.name);
    let mut facts = vec![
        ("status", service.health.word().to_owned()),
        ("success", known(service.success.map(percent))),
        ("requests", whole(service.requests)),
        ("running", known(service.running.map(whole))),
        ("queue", known(service.queue.map(whole))),
        ("circuit", known(service.circuit.clone())),
        ("cost", known(told::text(&service.told["cost_usd"]).map(|usd| format!("${usd}")))),
        ("cost per minute", known(service.per_minute.map(dollars))),
        ("latency p50", known(service.p50.map(millis))),
        ("latency p95", known(service.p95.map(millis))),
    ];
    if let Some(trend) = trend {
        facts.push(("requests/s", bars(trend.values(), wide)));
    }
    const SHOWN: [&str; 9] = [
        "status",
        "success_rate",
        "requests",
        "concurrent",
        "queue",
        "circuit",
        "cost_usd",
        "cost_per_minute_usd",
        "latency_ms",
    ];
    others(&service.told, &SHOWN, &mut facts);
    for (nth, model) in service.models.iter().enumerate() {
        facts.push((
            if nth == 0 { "models" } else { "" },
            format!(
                "{}: {}, {} running, {} waiting, {} of {} calls failed",
                model.name,
                model.state,
                whole(model.running),
                whole(model.waiting),
                whole(model.failures),
                whole(model.calls),
            ),
        ));
    }
    facts
}

fn of_limit(reading: &Reading, limit: &Limit, wide: usize) -> Facts {
    let mut facts = vec![
        ("allows", limit.allows.clone()),
        (
            "kept per",
            if limit.per.is_empty() { "all together".to_owned() } else { limit.per.clone() },
        ),
    ];
    if let Some(mode) = limit.mode {
        facts.push(("mode", format!("{mode}: it never refuses")));
    }
    if let (Some(standing), Some(share)) = (&limit.standing, limit.used()) {
        let (filled, empty) = gauge(share, wide.saturating_sub(9));
        facts.push(("used", format!("{filled}{empty} {}", percent(share))));
        let all = limits::amount(&standing.unit, standing.limit);
        facts.push(("left", format!("{} of {all} {}", limits::left(standing), standing.unit)));
        if let Some(at) = standing.resets {
            let left = reading.now.map(|now| at.duration_since(now).as_secs().max(0));
            let left =
                left.map_or_else(String::new, |it| format!(", in {}", span(it.cast_unsigned())));
            facts.push(("more is left at", format!("{at:.0}{left}")));
        }
    } else {
        facts.push((
            "stands",
            "each account by itself: `tollgate explain` or `tollgate stats USER` tells where"
                .to_owned(),
        ));
    }
    facts.push(("refused", whole(limit.refused)));
    let fullest = limit.fullest.map(|it| format!("; its fullest queue is at {}", percent(it)));
    let waiting = limit.waiting.map(|it| whole(it) + &fullest.unwrap_or_default());
    facts.push(("waiting", known(waiting)));
    facts.push(("waited for", known(limit.waited.map(whole))));
    facts.push(("would refuse", whole(limit.shadowed)));
    facts.push((
        "dial",
        limit.dial.map_or_else(
            || "none: all of it is allowed".to_owned(),
            |dial| format!("{} of it is allowed for now", percent(dial)),
        ),
    ));
    const SHOWN: [&str; 10] = [
        "name", "per", "allows", "shadow", "soft", "refused", "shadowed", "waited", "dial",
        "standing",
    ];
    others(&limit.told, &SHOWN, &mut facts);
    facts
}

fn of_spender(spender: &Spender, wide: usize) -> Facts {
    let share = spender.share.map(|share| {
        let (filled, empty) = gauge(share, wide.saturating_sub(9));
        format!("{filled}{empty} {}", percent(share))
    });
    vec![
        ("cost", dollars(spender.cost)),
        ("share", known(share)),
        ("overrun", dollars(spender.overrun)),
        ("requests", whole(spender.requests)),
        ("tokens in", whole(spender.input_tokens)),
        ("tokens out", whole(spender.output_tokens)),
        ("estimated", whole(spender.estimated)),
    ]
}

fn of_alert(reading: &Reading, alert: &Alert) -> Facts {
    vec![
        ("severity", if alert.is_critical { "critical" } else { "warning" }.to_owned()),
        ("of", known(alert.subject.clone())),
        ("since", known(alert.since.map(|at| format!("{at:.0}")))),
        ("for", known(reading.age(alert.since).map(span))),
        ("value", known(alert.value.clone())),
        ("threshold", known(alert.threshold.clone())),
        ("", alert.message.clone()),
    ]
}

/// Members that have no line of their own, as they were told.
fn others(told: &Value, shown: &[&str], facts: &mut Facts) {
    let others = told.as_object().into_iter().flatten();
    let others = others.filter(|(name, _)| !shown.contains(&name.as_str()));
    let others: Vec<String> = others
        .filter_map(|(name, value)| {
            Some(format!("{}: {}", super::super::clean(name), told::text(value)?))
        })
        .collect();
    if !others.is_empty() {
        facts.push(("also told", others.join("; ")));
    }
}
