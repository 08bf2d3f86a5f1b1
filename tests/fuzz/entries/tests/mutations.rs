//! Every entry with every input of its corpus, and with seeded mutations of them, always the same ones. `make fuzz` has other
//! and more mutations: `GENIMS_FUZZ_ROUNDS` says how many of the quick entries, the slow ones take their share, and
//! `GENIMS_SEED` is the first of the seeds.

#![allow(clippy::unwrap_used, reason = "a test that meets an error it did not expect should stop there")]

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::Path;

/// Rounds of an entry that needs no file.
const QUICK: u64 = 50_000;
/// Rounds of one that writes a folder each time.
const SLOW: u64 = 300;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

fn rounds(usual: u64, asked: Option<u64>) -> u64 {
    asked.map_or(usual, |quick| (quick.saturating_mul(usual) / QUICK).max(1))
}

fn drive(name: &str, usual: u64, entry: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(name);
    let mut corpus: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    corpus.sort();
    assert!(!corpus.is_empty(), "{} is empty", folder.display());
    let corpus: Vec<Vec<u8>> = corpus.iter().map(|path| std::fs::read(path).unwrap()).collect();
    corpus.iter().for_each(|input| entry(input));
    let (first, rounds) = (number("GENIMS_SEED").unwrap_or(0), rounds(usual, number("GENIMS_FUZZ_ROUNDS")));
    println!("{name}: {rounds} seeds from {first} on");
    for seed in first..first.saturating_add(rounds) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let input = mutated(&corpus, &mut random);
        if std::panic::catch_unwind(|| entry(&input)).is_err() {
            panic!("{name}: seed {seed}, keep this in the corpus: {}", input.escape_ascii());
        }
    }
}

fn mutated(corpus: &[Vec<u8>], random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut input = corpus[random.random_range(0..corpus.len())].clone();
    for _ in 0..random.random_range(1..=6) {
        let place = random.random_range(0..=input.len());
        match random.random_range(0..6) {
            0 => input.truncate(place),
            1 => input.insert(place, random.next_u32() as u8),
            2 if place < input.len() => input[place] ^= 1 << random.random_range(0..8),
            3 if place < input.len() => input[place] = [0, 0x7F, 0x80, 0xFF, b'"', b'-'][random.random_range(0..6)],
            4 => {
                let other = &corpus[random.random_range(0..corpus.len())];
                input.splice(place.., other[random.random_range(0..=other.len())..].iter().copied());
            }
            _ => {
                let copied = input[place..input.len().min(place + 16)].to_vec();
                input.splice(place..place, copied);
            }
        }
    }
    input
}

#[test]
fn slow_entries_take_their_share_of_the_rounds() {
    assert_eq!([rounds(QUICK, None), rounds(SLOW, None)], [QUICK, SLOW]);
    assert_eq!([rounds(QUICK, Some(5_000_000)), rounds(SLOW, Some(5_000_000))], [5_000_000, 30_000]);
    assert_eq!([rounds(QUICK, Some(1)), rounds(SLOW, Some(1))], [1, 1], "one seed is tried again by all");
}

#[test]
fn packets() {
    drive("packets", QUICK, genims_fuzz_entries::packets);
}

#[test]
fn payloads() {
    drive("payloads", QUICK, genims_fuzz_entries::payloads);
}

#[test]
fn frames() {
    drive("frames", QUICK, genims_fuzz_entries::frames);
}

#[test]
fn recovery() {
    drive("recovery", SLOW, genims_fuzz_entries::recovery);
}

#[test]
fn journal() {
    drive("journal", SLOW, genims_fuzz_entries::journal);
}
