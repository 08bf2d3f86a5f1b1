//! What clients do wrong over and over is told once, then once a minute with the number of times that were not told.
//!
//! Enters a happening with the one it is about; leaves whether to tell it now. At most [`NOTICES_MAX`] subjects are kept in
//! mind; while all of them are fresh, others are not told (the counters of the listener count them all).

use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// What lasts is told again after this long.
pub(crate) const TELL_EVERY: Duration = Duration::from_secs(60);

/// Happenings this close to each other belong together.
const WITHIN: Duration = Duration::from_secs(30);

const NOTICES_MAX: usize = 1_024;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Version,
    Takeover,
    Subscription,
    Sequence,
    Proxy,
    Oversize,
    Tls,
    Login,
    Breach,
    Eviction,
    Rate,
    Protocol,
}

#[derive(Debug)]
struct Notice {
    /// When the present run of happenings began, and how many it has.
    since: Instant,
    run: u64,
    told_at: Option<Instant>,
    untold: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Notices(Mutex<HashMap<(Kind, Box<str>), Notice>>);

impl Notices {
    /// Enters a happening. `Some` when it is to be told, with the number of those before that were not.
    pub(crate) fn due(&self, kind: Kind, about: &str, now: Instant) -> Option<u64> {
        self.due_from(1, kind, about, now)
    }

    /// As [`Notices::due`], for what is worth telling only when it happens `from` times within half a minute.
    pub(crate) fn due_from(&self, from: u64, kind: Kind, about: &str, now: Instant) -> Option<u64> {
        let mut notices = self.0.lock();
        if notices.len() >= NOTICES_MAX && !notices.contains_key(&(kind, about.into())) {
            notices.retain(|_, notice| now.duration_since(notice.told_at.unwrap_or(notice.since)) < TELL_EVERY);
            if notices.len() >= NOTICES_MAX {
                return None;
            }
        }
        let fresh = Notice { since: now, run: 0, told_at: None, untold: 0 };
        let notice = notices.entry((kind, about.into())).or_insert(fresh);
        if now.duration_since(notice.since) > WITHIN {
            (notice.since, notice.run) = (now, 0);
        }
        notice.run += 1;
        let rests = notice.told_at.is_some_and(|told_at| now.duration_since(told_at) < TELL_EVERY);
        if notice.run < from || rests {
            notice.untold += 1;
            return None;
        }
        notice.told_at = Some(now);
        Some(std::mem::take(&mut notice.untold))
    }
}

/// The other end of a connection, for the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Peer(pub(crate) Option<SocketAddr>);

impl Peer {
    pub(crate) fn of(socket: &TcpStream) -> Self {
        Self(socket.peer_addr().ok())
    }

    /// Whom a notice is about when there is no client id: all connections of one host.
    pub(crate) fn host(self) -> String {
        self.0.map_or_else(String::new, |address| address.ip().to_string())
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => address.fmt(formatter),
            None => formatter.write_str("unknown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_is_told_once_a_minute_for_each_subject() {
        let (notices, begun) = (Notices::default(), Instant::now());
        assert_eq!(notices.due(Kind::Version, "a", begun), Some(0));
        assert_eq!(notices.due(Kind::Version, "b", begun), Some(0));
        assert_eq!(notices.due(Kind::Proxy, "a", begun), Some(0));
        for second in 1..60 {
            assert_eq!(notices.due(Kind::Version, "a", begun + Duration::from_secs(second)), None);
        }
        assert_eq!(notices.due(Kind::Version, "a", begun + TELL_EVERY), Some(59));
    }

    #[test]
    fn what_may_happen_now_and_then_is_told_only_when_it_is_frequent() {
        let (notices, begun) = (Notices::default(), Instant::now());
        let at = |seconds| notices.due_from(3, Kind::Takeover, "a", begun + Duration::from_secs(seconds));
        let (seldom, often) = ([0, 20, 40, 60, 80, 100].map(at), [200, 201, 202, 203].map(at));
        assert_eq!(seldom, [None; 6]);
        assert_eq!(often, [None, None, Some(8), None]);
    }

    #[test]
    fn the_memory_of_notices_is_bounded() {
        let (notices, begun) = (Notices::default(), Instant::now());
        let told = (0..2 * NOTICES_MAX).filter_map(|no| notices.due(Kind::Version, &no.to_string(), begun)).count();
        assert_eq!(told, NOTICES_MAX);
        assert_eq!(notices.due(Kind::Version, "later", begun + TELL_EVERY), Some(0));
        assert_eq!(notices.0.lock().len(), 1);
    }
}
