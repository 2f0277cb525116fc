//! Where a process finds its policy: files, environment and `.env`, read anew at each load.
//!
//! The environment is an argument, so that a test needs none and a reload sees the same.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};
use tollgate_core::policy::{Config, Environment, PolicyError, Sources};

/// Which policy a command works with.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct PolicyArgs {
    /// The policy file; over a preset, if one is named too [env: TOLLGATE_POLICY]
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// A policy that comes with the program [env: TOLLGATE_PRESET]
    #[arg(long, value_name = "NAME")]
    pub(crate) preset: Option<String>,
    /// The profile of the policy [env: TOLLGATE_ENV]
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
}

/// Where the parts of a policy are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Locations {
    /// What the command line names.
    pub(crate) args: PolicyArgs,
    /// Where `.env` and a file without folder are looked for.
    pub(crate) folder: PathBuf,
    /// The environment of the process.
    pub(crate) environment: Vec<(String, String)>,
}

const DOTENV: &str = ".env";

/// The most that is read of one file: one byte more than a policy may have.
const MAX_BYTES: u64 = (1 << 20) + 1;

impl Locations {
    /// The locations of this process: its folder and its environment as they are now.
    /// Variables that are not UTF-8 are passed over.
    pub(crate) fn of_process(args: &PolicyArgs) -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        let environment = std::env::vars_os().filter_map(text).collect();
        Self { args: args.clone(), folder: PathBuf::new(), environment }
    }

    /// The policy file, if one is named.
    fn policy(&self, environment: &Environment) -> Option<PathBuf> {
        let named = environment.value("TOLLGATE_POLICY").map(PathBuf::from);
        self.args.policy.clone().or(named).map(|path| self.folder.join(path))
    }

    /// The files whose changes change the policy, there or not.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let environment = self.variables().unwrap_or_default();
        self.policy(&environment).into_iter().chain([self.folder.join(DOTENV)]).collect()
    }

    fn variables(&self) -> Result<Environment, Vec<PolicyError>> {
        let text = match read(&self.folder.join(DOTENV)) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(vec![unreadable(Path::new(DOTENV), &error)]),
        };
        let dotenv = text.as_deref().map(|text| (DOTENV, text));
        Environment::new(self.environment.iter().cloned(), dotenv)
    }
}

/// Loads the policy from where it is now.
///
/// # Errors
/// Everything that is wrong with it, as far as it can be found in one go.
pub(crate) fn load(locations: &Locations) -> Result<Config, Vec<PolicyError>> {
    sources(locations)?.load()
}

/// Reads what the policy is made from, as it is now.
///
/// # Errors
/// What cannot be read.
pub(crate) fn sources(locations: &Locations) -> Result<Sources, Vec<PolicyError>> {
    let environment = locations.variables()?;
    let file = match locations.policy(&environment) {
        Some(path) => {
            let text = read(&path).map_err(|error| vec![unreadable(&path, &error)])?;
            Some((path.display().to_string(), text))
        }
        None => None,
    };
    let PolicyArgs { preset, profile, .. } = locations.args.clone();
    Ok(Sources { preset, file, environment, profile })
}

/// Errors and warnings as people read them, with the offending text underlined.
pub(crate) fn rendered(errors: &[PolicyError], colors: bool) -> String {
    let theme = if colors { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_links(false);
    let mut text = String::new();
    for error in errors {
        if handler.render_report(&mut text, error as &dyn Diagnostic).is_err() {
            text.push_str(&error.on_one_line());
        }
        text.push('\n');
    }
    text
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

fn unreadable(path: &Path, error: &io::Error) -> PolicyError {
    let why = match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        _ => error.to_string(),
    };
    let message = format!("the file {} cannot be read: {why}", path.display());
    PolicyError::outside(message, "give the path of a readable file")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn locations(folder: &Path, policy: Option<&str>, variables: &[(&str, &str)]) -> Locations {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Locations {
            args: PolicyArgs { policy: policy.map(PathBuf::from), ..PolicyArgs::default() },
            folder: folder.to_owned(),
            environment: variables.iter().map(own).collect(),
        }
    }

    #[test]
    fn file_dotenv_and_environment_are_laid_over_each_other() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("p.toml"), "[server]\nlisten = \"127.0.0.1:1\"\n")
            .expect("a file");
        let dotenv = "TOLLGATE_SERVER_ADMIN_LISTEN=127.0.0.1:2\nTOLLGATE_LOG_LEVEL=warn\nTOLLGATE_POLICY=p.toml\n";
        fs::write(folder.path().join(".env"), dotenv).expect("a file");
        let here = locations(folder.path(), None, &[("TOLLGATE_LOG_LEVEL", "error")]);
        let settings = load(&here).expect("a good policy").settings;
        assert_eq!(settings.server.listen.port(), 1);
        assert_eq!(settings.server.admin_listen.port(), 2);
        assert_eq!(settings.log.level.name(), "error");
        assert_eq!(here.files(), [folder.path().join("p.toml"), folder.path().join(".env")]);
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("latin1.toml"), b"# \xe9").expect("a file");
        for (policy, why) in [
            ("none.toml", "there is no such file"),
            ("latin1.toml", "not UTF-8"),
            (".", "a folder"),
        ] {
            let errors = load(&locations(folder.path(), Some(policy), &[])).expect_err(policy);
            assert!(errors[0].to_string().contains(why), "{errors:?}");
        }
    }

    #[test]
    fn errors_are_rendered_with_the_text_underlined() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = "[[limits]]\nname = \"a\"\nrequest = \"10/minute\"\n";
        fs::write(folder.path().join("p.toml"), text).expect("a file");
        let errors = load(&locations(folder.path(), Some("p.toml"), &[])).expect_err("a typo");
        let shown = rendered(&errors, false);
        assert!(shown.contains("p.toml:3:1"), "{shown}");
        assert!(shown.contains("3 │ request = \"10/minute\""), "{shown}");
        assert!(shown.contains("did you mean `requests`?"), "{shown}");
        assert!(!shown.contains('\u{1b}'), "no colours where none are wanted: {shown}");
    }
}
