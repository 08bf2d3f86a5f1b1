//! `cargo fuzz run journal`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| genims_fuzz_entries::journal(data));
