//! `tollgate plan`: how many sessions are safe, and how a crowd takes turns on them.

use std::process::ExitCode;

use comfy_table::Table;

use super::table::{judged, numbers, table};
use crate::{
    output,
    plan::{Crowd, Hosted, Memory, Plan, Timetable, Wave, bar, memory_for},
};

/// Plans sessions for a server's memory and waves for a crowd that is larger.
///
/// Exit status 0 when there is a plan, also one that exceeds the safe limit, which it says;
/// 1 when there is not even one session to take turns on.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PlanArgs {
    /// The server's memory: 512MB, 2GB, 1.5GB; a number alone is MB, a GB is 1024 MB
    #[arg(long, value_name = "SIZE", default_value = "1GB")]
    ram: Memory,
    /// What a session takes: 80 MB are 30 images of 2 MB and overhead
    #[arg(long, value_name = "MB", default_value = "80", value_parser = parse_session)]
    session_mb: Memory,
    /// Plan for this many sessions at once instead of the safe limit
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    sessions: Option<u32>,
    /// How many users come
    #[arg(long, value_name = "N", default_value_t = 30)]
    users: u32,
    /// How many of them share one session: 2 where they work in pairs
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    share: u32,
    /// How long a session lasts
    #[arg(long, value_name = "MINUTES", default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..))]
    minutes: u16,
    /// The time between two waves
    #[arg(long, value_name = "MINUTES", default_value_t = 3)]
    changeover: u16,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  tollgate plan                                     30 users on a server of 1 GB
  tollgate plan --ram 2GB --users 30 --sessions 6 --minutes 15 --changeover 3
                                                    5 groups of 6, 90 minutes
  tollgate plan --users 30 --share 2 --sessions 12  15 pairs: 12 start, 3 wait
  tollgate plan --users 30 --sessions 25 --json     for programs";

/// The most waves that people are shown, the last one beside them.
const MAX_SHOWN: usize = 12;
/// So that the table fits a terminal of 80 columns.
const BAR_WIDTH: usize = 30;

/// Plans and prints.
///
/// # Errors
/// When the plan cannot be written as JSON.
pub(crate) fn run(args: &PlanArgs) -> anyhow::Result<ExitCode> {
    let plan = Plan::new(args.ram, args.session_mb, args.sessions, args.crowd());
    if args.json {
        output::line(serde_json::to_string_pretty(&plan)?);
    } else {
        tell(&plan);
    }
    Ok(if plan.waves.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl PlanArgs {
    const fn crowd(&self) -> Crowd {
        Crowd {
            users: self.users,
            users_per_session: self.share,
            session_minutes: self.minutes,
            changeover_minutes: self.changeover,
        }
    }
}

fn parse_session(text: &str) -> Result<Memory, String> {
    let memory: Memory = text.parse().map_err(|error| format!("{error}"))?;
    if memory.is_zero() {
        return Err("a session takes some memory: write it like 80".to_owned());
    }
    Ok(memory)
}

fn tell(plan: &Plan) {
    output::line(of_hosting(&plan.hosting, &plan.crowd));
    let (ram, session) = (plan.ram_mb, plan.session_mb);
    output::line(format_args!(
        "\n{ram}: the safe limit is {} (⌊{:.0} MB × 0.8 / {session}⌋)",
        counted(plan.safe_limit, "session"),
        ram.as_mb(),
    ));
    if plan.exceeds_safe_limit {
        let asked = counted(plan.sessions, "session");
        output::line(judged(
            &format!("{asked} at once exceed it: the server may run out of memory"),
            false,
        ));
    }
    match &plan.waves {
        Some(timetable) => tell_waves(plan, timetable),
        None => output::line(judged(
            &format!("no session fits, so nobody can start: one needs {}", memory_for(1, session)),
            false,
        )),
    }
    output::line("\nassumptions:");
    for assumption in &plan.assumptions {
        output::line(format_args!("- {assumption}"));
    }
}

fn tell_waves(plan: &Plan, timetable: &Timetable) {
    output::line(format_args!("\n{}", groups(plan, timetable)));
    if timetable.count == 0 {
        return;
    }
    let waits = match timetable.wait {
        0 => "nobody waits".to_owned(),
        waiting => format!(
            "{waiting} wait, {} min in the mean over all and {} at most",
            rounded(timetable.mean_wait_minutes),
            timetable.longest_wait_minutes
        ),
    };
    output::line(format_args!("{} start at once, {waits}", timetable.start_at_once));
    output::line(format_args!(
        "total: {} × ({} + {}) = {} min; the last session ends after {} min",
        timetable.count,
        plan.crowd.session_minutes,
        plan.crowd.changeover_minutes,
        timetable.total_minutes,
        timetable.last_end_minutes,
    ));
    if timetable.wait > 0 {
        let (all, ram) = (plan.crowd.sessions(), plan.ram_for_all_mb);
        output::line(format_args!("for all {all} to start at once the server needs {ram}"));
    }
    output::line(format_args!("\n{}", of_waves(timetable)));
}

/// The crowd and its groups, in a sentence.
fn groups(plan: &Plan, timetable: &Timetable) -> String {
    let crowd = &plan.crowd;
    let who = match crowd.users_per_session {
        1 => counted(crowd.users.into(), "user"),
        2 => format!(
            "{} in {}",
            counted(crowd.users.into(), "user"),
            counted(crowd.sessions(), "pair")
        ),
        share => format!(
            "{} in {} of {share}",
            counted(crowd.users.into(), "user"),
            counted(crowd.sessions(), "team")
        ),
    };
    let on = counted(plan.sessions, "session");
    let Some(last) = timetable.waves.last() else {
        return format!("{who} on {on}: nothing to plan");
    };
    let groups = match timetable.count {
        1 => format!("1 group of {}", last.sessions),
        count if last.sessions == plan.sessions => format!("{count} groups of {}", last.sessions),
        count => {
            format!(
                "{} of {} and 1 of {}",
                counted(count - 1, "group"),
                plan.sessions,
                last.sessions
            )
        }
    };
    format!("{who} on {on}: {groups}")
}

fn of_hosting(hosting: &[Hosted], crowd: &Crowd) -> Table {
    let users = counted(crowd.users.into(), "user");
    let (in_use, safe) = (format!("{users}, in use"), format!("{users}, safe"));
    let header = ["plan", "safe?", "RAM", "$ a month", "in use", "safe limit", &in_use, &safe];
    let mut table = table(&header);
    let minutes = |total: Option<u64>| total.map_or("never".to_owned(), |it| format!("{it} min"));
    for hosted in hosting {
        let (exceeds, it) = (hosted.exceeds_safe_limit, &hosted.hosting);
        table.add_row([
            it.name.to_owned(),
            (if exceeds { "exceeds" } else { "yes" }).to_owned(),
            it.ram.to_string(),
            it.usd_per_month.to_string(),
            it.sessions_in_use.to_string(),
            hosted.safe_limit.to_string(),
            minutes(hosted.minutes_in_use),
            minutes(hosted.minutes_at_safe_limit),
        ]);
    }
    numbers(table, 2)
}

fn of_waves(timetable: &Timetable) -> Table {
    let mut table = table(&["wave", "who", "sessions", "waits, min", "ends, min", ""]);
    let row = |wave: &Wave| {
        [
            wave.number.to_string(),
            format!("{}–{}", wave.first, wave.last),
            wave.sessions.to_string(),
            wave.start.to_string(),
            wave.end.to_string(),
            bar(&timetable.waves, wave, BAR_WIDTH),
        ]
    };
    for wave in timetable.listed.iter().take(MAX_SHOWN) {
        table.add_row(row(wave));
    }
    let unshown = timetable.count.saturating_sub(MAX_SHOWN as u64);
    if unshown > 1 {
        table.add_row(["…".to_owned(), format!("{} more", unshown - 1)]);
    }
    if let (1.., Some(last)) = (unshown, timetable.waves.last()) {
        table.add_row(row(&last));
    }
    let mut table = numbers(table, 2);
    if let Some(picture) = table.column_mut(5) {
        picture.set_cell_alignment(comfy_table::CellAlignment::Left);
    }
    table
}

fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

fn rounded(minutes: f64) -> String {
    let text = format!("{minutes:.1}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}
