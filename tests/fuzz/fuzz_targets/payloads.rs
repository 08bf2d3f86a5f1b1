//! `cargo fuzz run payloads`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| genims_fuzz_entries::payloads(data));
