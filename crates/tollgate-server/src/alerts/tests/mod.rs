//! Alerts by real causes.
