//! A database server's clock against ours.
//!
//! Readings carry our clock's time of receipt and are judged by it, partitions and retention go by the server's.

use mongodb::bson::doc;
use mysql_async::prelude::Queryable;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How far apart the clocks may be.
pub(crate) const DIFFERENCE_MAX: Duration = Duration::from_secs(2);

/// How far the server's clock is ahead of ours, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    pub us: i64,
    /// Half of the round trip: the true difference lies no further from `us`.
    pub uncertain_us: u64,
}

impl Difference {
    /// `server_us` was read between `asked_us` and `answered_us`.
    pub fn of(server_us: i64, asked_us: i64, answered_us: i64) -> Self {
        let us = server_us.saturating_sub(asked_us.midpoint(answered_us));
        Self { us, uncertain_us: answered_us.abs_diff(asked_us) / 2 }
    }

    /// Whether the clocks are further apart than they may be, however the answer travelled.
    pub fn is_too_much(self) -> bool {
        self.us.unsigned_abs().saturating_sub(self.uncertain_us) > DIFFERENCE_MAX.as_micros() as u64
    }
}

pub async fn of_postgres(client: &tokio_postgres::Client) -> Result<Difference, tokio_postgres::Error> {
    // Without a statement of its own the answer takes one round trip.
    let select = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
    let asked_us = now_us();
    let server_us = client.query_typed_one(select, &[]).await?.get(0);
    Ok(Difference::of(server_us, asked_us, now_us()))
}

pub async fn of_mysql(connection: &mut mysql_async::Conn) -> Result<Difference, mysql_async::Error> {
    let select = "SELECT CAST(unix_timestamp(sysdate(6)) * 1000000 AS SIGNED)";
    let asked_us = now_us();
    let server_us: Option<i64> = connection.query_first(select).await?;
    Ok(Difference::of(server_us.unwrap_or_default(), asked_us, now_us()))
}

/// `None` from a server that does not tell.
pub async fn of_mongo(database: &mongodb::Database) -> Result<Option<Difference>, mongodb::error::Error> {
    let asked_us = now_us();
    let hello = database.run_command(doc! { "hello": 1 }).await?;
    let answered_us = now_us();
    let server_us = hello.get_datetime("localTime").ok().map(|time| time.timestamp_millis().saturating_mul(1_000));
    Ok(server_us.map(|server_us| Difference::of(server_us, asked_us, answered_us)))
}

/// Microseconds since 1970, by our clock.
fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_compared_with_the_middle_of_the_round_trip() {
        let of = |server_us| Difference::of(server_us, 1_000_000, 3_000_000);
        assert_eq!(of(2_000_000), Difference { us: 0, uncertain_us: 1_000_000 });
        let judged = [5_000_001, 5_000_000, -1_000_000, -1_000_001].map(|server_us| of(server_us).is_too_much());
        assert_eq!(judged, [true, false, false, true]);
        assert!(Difference::of(86_400_000_000, 0, 2_000).is_too_much());
    }
}
