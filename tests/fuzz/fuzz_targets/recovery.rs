//! `cargo fuzz run recovery`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| genims_fuzz_entries::recovery(data));
