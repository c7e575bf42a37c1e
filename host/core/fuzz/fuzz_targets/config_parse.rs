//! Any text is a config or a list of errors, each at a place of the text, in order.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pointsman_core::config::{diff, parse};

fuzz_target!(|text: &str| match parse(text) {
    Ok(config) => assert!(diff(&config, &config).is_empty()),
    Err(errors) => {
        assert!(!errors.is_empty());
        assert!(errors.is_sorted_by_key(|error| (error.line, error.column)));
        let lines = text.split('\n').count();
        assert!(errors.iter().all(|error| (1..=lines).contains(&error.line) && error.column >= 1));
        assert!(errors.iter().all(|error| !error.message.is_empty()));
    }
});
