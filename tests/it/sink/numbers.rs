//! Our NUMERIC bytes against PostgreSQL's own reading of the same number as text.

use super::servers::{Postgres, Whose, postgres_trial};
use crate::harness::Harness;
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::SinkExt;
use genims_stores::postgres::field::{COPY_HEADER, COPY_TRAILER, PutField};
use libtest_mimic::Trial;
use rand::{RngExt, SeedableRng};
use std::sync::Arc;

pub(super) fn tests(harness: &'static Harness) -> Vec<Trial> {
    let name = "our_numeric_is_what_postgresql_makes_of_the_text";
    vec![postgres_trial(harness, name, Whose::Shared, our_numeric_is_what_postgresql_makes_of_the_text)]
}

async fn our_numeric_is_what_postgresql_makes_of_the_text(postgres: Arc<Postgres>) {
    let client = postgres.connect().await;
    client.batch_execute("CREATE TABLE pairs (ours numeric(15,4), ours2 numeric(10,2), text text)").await.expect("DDL");

    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(15);
    let mut units: Vec<i64> = vec![0, 1, -1, 9_999, 10_000, 10_001, 99_990_000, 100_000_000, 999_999_999_999_999];
    units.extend((0..16).map(|digits| 10_i64.pow(digits) % 1_000_000_000_000_000));
    units.extend((0..20_000).map(|i| random.random_range(-10_i64.pow(1 + i % 15)..10_i64.pow(1 + i % 15))));

    let mut rows = BytesMut::new();
    rows.put_slice(&COPY_HEADER);
    for units in &units {
        let value = *units as f64 / 10_000.0;
        rows.put_i16(3);
        rows.put_numeric(value, 4);
        rows.put_numeric((units % 1_000_000_000) as f64 / 100.0, 2);
        rows.put_text(&format!(
            "{}{}.{:04}",
            if *units < 0 { "-" } else { "" },
            units.abs() / 10_000,
            units.abs() % 10_000
        ));
    }
    rows.put_slice(&COPY_TRAILER);
    let sink = client.copy_in::<_, Bytes>("COPY pairs FROM STDIN (FORMAT binary)").await.expect("COPY");
    let mut sink = std::pin::pin!(sink);
    sink.send(rows.freeze()).await.expect("rows");
    assert_eq!(sink.finish().await.expect("the end"), units.len() as u64);

    // numeric_send shows representation, not only value: both must be the same.
    let differing = "SELECT count(*), min(text) FROM pairs
         WHERE ours <> text::numeric OR numeric_send(ours) <> numeric_send(text::numeric(15,4))
            OR numeric_send(ours2) <> numeric_send(ours2::text::numeric(10,2)) OR scale(ours2) <> 2";
    let row = client.query_one(differing, &[]).await.expect("a count");
    assert_eq!(row.get::<_, i64>(0), 0, "for example {:?}", row.get::<_, Option<String>>(1));
}
