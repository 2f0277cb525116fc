//! `tollgate emergency`: only critical work passes, until an instant.
//!
//! What is begun here is written to the roster, which outlives every process, and a gateway that
//! runs on it follows within a tenth of a second; where its control plane answers, the command
//! succeeds once the gateway says that it does, and fails where it does not. With `--admin` the
//! control plane is told instead.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tollgate_core::policy::Config;

use super::{
    ask::{Asker, Base, TokenArgs},
    roster::{Desk, RosterArgs, at_desk, policy_if_good},
    table::{judged, text},
};
use crate::{
    emergency::Begin,
    output,
    roster::{Moment, RosterError, Siren},
    screen::clean,
};

/// Begins and ends emergency mode: only critical requests pass, within the minimum of each limit.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct EmergencyArgs {
    #[command(subcommand)]
    command: Option<EmergencyCommand>,
    /// The same as `on`
    #[arg(long, conflicts_with = "disable", required_unless_present = "disable")]
    enable: bool,
    /// The same as `off`
    #[arg(long)]
    disable: bool,
    #[command(flatten)]
    begin: BeginArgs,
    #[command(flatten)]
    place: PlaceArgs,
}

const EXAMPLES: &str = "\
Examples:
  tollgate emergency on --for 30m --reason 'runaway job 4711'
  tollgate emergency on --for 2h --downgrade      with the cheaper models that the policy names
  tollgate emergency status
  tollgate emergency off --reason 'the job is stopped'

It ends by itself, survives restarts, and changes nothing else: when it is over all is as before.
Critical is a request of priority `critical`, or whom the policy names under [emergency].";

#[derive(Debug, clap::Subcommand)]
enum EmergencyCommand {
    /// Begins one, or gives the one in force another end
    On(OnArgs),
    /// Ends it
    Off(OffArgs),
    /// Says whether there is one: exit status 0 where there is none, 1 where there is
    Status(OffArgs),
}

#[derive(Debug, clap::Args)]
struct OnArgs {
    #[command(flatten)]
    begin: BeginArgs,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Debug, clap::Args)]
struct OffArgs {
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Debug, clap::Args)]
struct BeginArgs {
    /// How long, like 30m; as long as the policy says if not given
    #[arg(long = "for", value_name = "TIME")]
    lasts: Option<String>,
    /// Send requests to the cheaper models that the policy names; as before in one that is in
    /// force, if not given
    #[arg(long)]
    downgrade: bool,
}

/// Whose emergency it is.
#[derive(Debug, clap::Args)]
struct PlaceArgs {
    /// A control plane that is to be told, instead of the roster's file
    #[arg(long, value_name = "URL")]
    admin: Option<Base>,
    #[command(flatten)]
    token: TokenArgs,
    #[command(flatten)]
    roster: RosterArgs,
}

/// A control plane, and who asks it.
struct Plane {
    base: Base,
    token: Option<String>,
}

impl Plane {
    fn send(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        self.base.send_with(method, path, body, self.token.as_deref(), "--admin")
    }
}

/// What is heard of the gateway that a policy names, after something was written.
enum Heard {
    /// It does as was written.
    Follows,
    /// Nothing answers.
    Silent,
    /// It answers, and shows something else.
    Differs,
    /// It answers, but not who asks.
    Unauthorized,
}

const PATH: &str = "/v1/emergency";

/// How often a gateway that answers is asked whether it follows, at most, and how far apart.
const TIMES: u32 = 400;
const APART: Duration = Duration::from_millis(5);

/// Does what the subcommand says.
pub(crate) fn run(args: &EmergencyArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        Some(EmergencyCommand::On(args)) => on(&args.begin, &args.place),
        Some(EmergencyCommand::Off(args)) => off(&args.place),
        Some(EmergencyCommand::Status(args)) => status(&args.place),
        None if args.enable => on(&args.begin, &args.place),
        None => off(&args.place),
    }
}

/// An emergency in one line; nothing where there is none.
pub(super) fn line(emergency: &Value) -> Option<String> {
    let until = emergency["until_at"].as_str()?;
    let reason = emergency["reason"].as_str().map_or_else(String::new, |why| format!(": {why}"));
    let told = format!(
        " until {until}, since {} by {}{reason}",
        text(&emergency["since_at"]),
        text(&emergency["who"]),
    );
    Some(format!("{}{}", judged("EMERGENCY MODE", false), clean(&told)))
}

fn on(begin: &BeginArgs, place: &PlaceArgs) -> anyhow::Result<ExitCode> {
    if let Some(plane) = place.control_plane()? {
        let reason = &place.roster.reason;
        let asked = json!({ "for": begin.lasts, "reason": reason, "downgrade": begin.downgrade() });
        let answer = plane.send(Method::PUT, PATH, Some(&asked))?;
        place.tell(&answer["emergency"]);
        return Ok(ExitCode::SUCCESS);
    }
    at_desk(&place.roster, |mut desk| {
        let until = begin.lasts.as_deref().map(|text| Moment::later(text, desk.by.at)).transpose();
        let until = until.map_err(RosterError::Invalid)?;
        let how = Begin { by: desk.by.clone(), until, downgrade: begin.downgrade() };
        let policy = &desk.config.settings.emergency;
        let begun = desk.book.begin_emergency(&how.by, |before| how.after(before, policy))?;
        Ok(place.conclude(&desk, &json!(begun)))
    })
}

fn off(place: &PlaceArgs) -> anyhow::Result<ExitCode> {
    if let Some(plane) = place.control_plane()? {
        let reason = place.roster.reason.as_deref().map_or_else(String::new, |reason| {
            let reason =
                percent_encoding::utf8_percent_encode(reason, percent_encoding::NON_ALPHANUMERIC);
            format!("?reason={reason}")
        });
        let path = format!("{PATH}{reason}");
        plane.send(Method::DELETE, &path, None)?;
        place.tell(&Value::Null);
        return Ok(ExitCode::SUCCESS);
    }
    at_desk(&place.roster, |mut desk| {
        desk.book.end_emergency(&desk.by)?;
        Ok(place.conclude(&desk, &Value::Null))
    })
}

fn status(place: &PlaceArgs) -> anyhow::Result<ExitCode> {
    let told = |emergency: &Value| {
        place.tell(emergency);
        if emergency.is_null() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    };
    if let Some(plane) = place.control_plane()? {
        let answer = plane.send(Method::GET, PATH, None)?;
        return Ok(told(&answer["emergency"]));
    }
    at_desk(&place.roster, |mut desk| {
        let now = desk.by.at;
        let emergency = match desk.book.siren()? {
            Siren::On(emergency) if emergency.until_at > now => json!(emergency),
            _ => Value::Null,
        };
        Ok(told(&emergency))
    })
}

impl BeginArgs {
    fn downgrade(&self) -> Option<bool> {
        self.downgrade.then_some(true)
    }
}

impl PlaceArgs {
    /// The control plane that is told, where the roster's file is not. A policy that is bad stops
    /// nobody who names one.
    fn control_plane(&self) -> anyhow::Result<Option<Plane>> {
        let config = policy_if_good(&self.roster);
        let base = match (&self.admin, &config) {
            (Some(admin), _) => admin.clone(),
            (None, Some(config)) if config.settings.store.ledger().is_none() => {
                own(config).ok_or_else(|| {
                    anyhow::anyhow!(
                        "this policy keeps its roster in memory, so the running gateway must be told: give its control plane with --admin"
                    )
                })?
            }
            (None, _) => return Ok(None),
        };
        let known = config.and_then(|config| config.settings.admin.token);
        let known = known.map(|token| token.expose().to_owned());
        Ok(Some(Plane { base, token: self.token.read()?.or(known) }))
    }

    fn tell(&self, emergency: &Value) {
        self.roster.tell(&json!({ "emergency": emergency }), |_| {
            output::line(line(emergency).unwrap_or_else(|| "no emergency mode".to_owned()));
        });
    }

    /// Tells what was written once it holds, or why nobody knows that.
    fn conclude(&self, desk: &Desk, written: &Value) -> ExitCode {
        let file = desk.config.settings.store.ledger().unwrap_or_else(|| Path::new("")).display();
        let Some(admin) = own(&desk.config) else {
            self.tell(written);
            return ExitCode::SUCCESS;
        };
        let at = admin.text();
        let why = match self.follow(&admin, desk, written) {
            Heard::Follows => {
                self.tell(written);
                return ExitCode::SUCCESS;
            }
            Heard::Silent => {
                self.tell(written);
                output::note(format_args!(
                    "no gateway answers at {at}: it holds for whichever uses the roster of {file}"
                ));
                return ExitCode::SUCCESS;
            }
            Heard::Differs => {
                "does not follow: does it use another roster? Give its address with --admin URL"
            }
            Heard::Unauthorized => {
                "does not say whether it follows, since it wants another token: name the variable that has it with --token-env"
            }
        };
        output::note(format_args!(
            "error: it is written to the roster of {file}, but the gateway at {at} {why}"
        ));
        ExitCode::FAILURE
    }

    /// Waits for a while until a gateway does as was written.
    #[allow(clippy::disallowed_methods, reason = "a command may wait for another process")]
    fn follow(&self, admin: &Base, desk: &Desk, written: &Value) -> Heard {
        let known = desk.config.settings.admin.token.as_ref().map(|token| token.expose());
        let Ok(token) = self.token.read() else { return Heard::Unauthorized };
        let Ok(asker) = Asker::new(admin, token.as_deref().or(known), "--admin") else {
            return Heard::Unauthorized;
        };
        for _ in 0..TIMES {
            match asker.look(PATH) {
                Err(_) => return Heard::Silent,
                Ok((StatusCode::UNAUTHORIZED, _)) => return Heard::Unauthorized,
                Ok((_, Some(answer))) if answer.get("emergency") == Some(written) => {
                    return Heard::Follows;
                }
                Ok(_) => std::thread::sleep(APART),
            }
        }
        Heard::Differs
    }
}

/// Where the control plane of a policy listens, as far as that is known.
fn own(config: &Config) -> Option<Base> {
    let mut at = config.settings.server.admin_listen;
    if at.ip().is_unspecified() {
        at.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    (at.port() != 0).then(|| format!("http://{at}").parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emergency_is_told_in_one_line_whatever_its_reason_has() {
        let told = line(&json!({
            "since_at": "2026-11-30T12:00:00.000Z", "until_at": "2026-11-30T12:30:00.000Z",
            "who": "ada", "reason": "a bill\n\u{1b}[2J",
        }));
        let told = told.expect("there is one");
        let rest = "2026-11-30T12:30:00.000Z, since 2026-11-30T12:00:00.000Z by ada: a bill··[2J";
        assert!(told.contains("EMERGENCY MODE") && told.ends_with(rest), "{told}");
        assert_eq!(line(&Value::Null), None);
    }
}
