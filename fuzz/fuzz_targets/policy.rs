//! Whatever stands in a policy file, it is read or refused; and what `tollgate check` prints
//! of a good one is a policy that means the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate_core::policy::{Config, PolicyError, Sources};

fn load(text: &str) -> Result<Config, Vec<PolicyError>> {
    let file = Some(("policy.toml".to_owned(), text.to_owned()));
    Sources { file, ..Sources::default() }.load()
}

fuzz_target!(|text: &str| {
    match load(text) {
        Err(errors) => {
            assert!(!errors.is_empty());
            for error in errors {
                assert!(!error.on_one_line().is_empty());
            }
        }
        Ok(config) => {
            let again = load(config.to_toml()).expect("the effective policy is one");
            assert_eq!(again.settings, config.settings);
            assert_eq!(again.to_toml(), config.to_toml());
        }
    }
});
