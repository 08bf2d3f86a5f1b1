//! `cargo fuzz run packets`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| genims_fuzz_entries::packets(data));
