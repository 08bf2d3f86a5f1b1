//! Sessions: a random token each, of which only the digest is kept. They end when nobody uses them, after a while whoever uses
//! them, when their user signs out, is disabled or has a new secret, and when the server ends.
//!
//! Invariant: there are [`SESSIONS_MAX`] at most, [`OF_ONE_MAX`] of one user: the one that was used least recently gives way.

use super::file::User;
use super::users::{Users, drawn};
use genims_locks::secret::digest;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const SESSIONS_MAX: usize = 512;
const OF_ONE_MAX: usize = 8;

#[derive(Debug)]
struct Session {
    user: String,
    /// As it was when the session began: another secret ends it.
    hash: String,
    begun: Instant,
    used: Instant,
}

#[derive(Debug)]
pub(crate) struct Sessions {
    idle: Duration,
    longest: Duration,
    all: Mutex<HashMap<String, Session>>,
}

/// What a state-changing request of a session has to show as well: who can send a cookie along cannot read this.
pub(crate) fn proof(token: &str) -> String {
    digest(format!("proof of {token}").as_bytes())
}

impl Sessions {
    pub(crate) fn new(idle: Duration, longest: Duration) -> Self {
        Self { idle, longest, all: Mutex::default() }
    }

    /// The token of a new one.
    pub(crate) fn begin(&self, user: &User, now: Instant) -> String {
        let token = drawn();
        let session = Session { user: user.name.clone(), hash: user.hash.clone(), begun: now, used: now };
        let mut all = self.all.lock();
        all.retain(|_, session| self.lasts(session, now));
        if all.values().filter(|session| session.user == user.name).count() >= OF_ONE_MAX {
            give_way(&mut all, |session| session.user == user.name);
        } else if all.len() >= SESSIONS_MAX {
            give_way(&mut all, |_| true);
        }
        all.insert(digest(token.as_bytes()), session);
        token
    }

    /// Whose it is, while it lasts. `used`: it is what keeps it.
    pub(crate) fn user(&self, token: &str, users: &Users, used: bool, now: Instant) -> Option<Arc<User>> {
        let (mut all, key) = (self.all.lock(), digest(token.as_bytes()));
        let session = all.get_mut(&key)?;
        let user = users.user(&session.user).filter(|user| user.hash == session.hash);
        if user.is_none() || !self.lasts(session, now) {
            all.remove(&key);
            return None;
        }
        if used {
            session.used = now;
        }
        user
    }

    /// Those of users who may not go on with them end, used or not.
    pub(crate) fn sweep(&self, users: &Users) {
        let may = |session: &Session| users.user(&session.user).is_some_and(|user| user.hash == session.hash);
        self.all.lock().retain(|_, session| may(session));
    }

    pub(crate) fn end(&self, token: &str) {
        self.all.lock().remove(&digest(token.as_bytes()));
    }

    /// How many a user has.
    pub(crate) fn of(&self, name: &str, now: Instant) -> usize {
        let all = self.all.lock();
        all.values().filter(|session| session.user == name && self.lasts(session, now)).count()
    }

    fn lasts(&self, session: &Session, now: Instant) -> bool {
        now.duration_since(session.used) < self.idle && now.duration_since(session.begun) < self.longest
    }
}

fn give_way(all: &mut HashMap<String, Session>, among: impl Fn(&Session) -> bool) {
    let oldest = all.iter().filter(|(_, session)| among(session)).min_by_key(|(_, session)| session.used);
    if let Some(key) = oldest.map(|(key, _)| key.clone()) {
        all.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::super::file::UserFile;
    use super::super::role::Role;
    use super::*;
    use genims_locks::file::change;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn sessions_end_by_idleness_age_and_sign_out_and_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.toml");
        let [one, other] = ["one", "other"].map(|name| {
            let user = User::new(name, Role::Operator, "long enough a secret").unwrap();
            change(&path, |all: &mut UserFile| all.add(user.clone())).unwrap();
            user
        });
        let users = Users::open(&path, 3, MINUTE).unwrap();
        let (sessions, begun) = (Sessions::new(30 * MINUTE, 100 * MINUTE), Instant::now());
        let is_in = |token: &str, used: bool, minutes: u32| {
            sessions.user(token, &users, used, begun + minutes * MINUTE).is_some()
        };
        let token = sessions.begin(&one, begun);
        assert!(!is_in("another", true, 0) && is_in(&token, true, 29) && is_in(&token, false, 58));
        assert!(!is_in(&token, true, 59), "looking on is no use");
        assert!(!is_in(&token, true, 0), "gone is gone");
        let token = sessions.begin(&one, begun);
        assert!([25, 50, 75, 99].into_iter().all(|minutes| is_in(&token, true, minutes)) && !is_in(&token, true, 100));
        let token = sessions.begin(&one, begun);
        sessions.end(&token);
        assert!(!is_in(&token, true, 0));

        let kept = sessions.begin(&other, begun);
        let tokens: Vec<String> =
            (0..20).map(|second| sessions.begin(&one, begun + Duration::from_secs(second))).collect();
        assert_eq!(tokens.iter().filter(|token| is_in(token, false, 1)).count(), OF_ONE_MAX);
        assert!(is_in(&kept, false, 1) && is_in(&tokens[19], false, 1) && !is_in(&tokens[0], false, 1));
        for no in 0..2 * SESSIONS_MAX {
            let user = User { name: no.to_string(), ..one.clone() };
            sessions.begin(&user, begun + MINUTE);
        }
        assert_eq!(sessions.all.lock().len(), SESSIONS_MAX);
        assert_ne!(proof(&token), digest(token.as_bytes()), "it must not tell what is kept");
    }

    #[test]
    fn another_secret_or_no_rights_any_more_end_a_session() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.toml");
        let user = User::new("one", Role::Operator, "long enough a secret").unwrap();
        change(&path, |all: &mut UserFile| all.add(user.clone())).unwrap();
        let users = Users::open(&path, 3, MINUTE).unwrap();
        let (sessions, now) = (Sessions::new(MINUTE, MINUTE), Instant::now());
        for end in [
            |user: &mut User| user.disabled = true,
            |user: &mut User| {
                user.disabled = false;
                user.rotate("another long secret").unwrap();
            },
        ] {
            let user = users.all()[0].clone();
            let token = sessions.begin(&User { disabled: false, ..(*user).clone() }, now);
            change(&path, |all: &mut UserFile| {
                end(&mut all.user[0]);
                Ok(())
            })
            .unwrap();
            users.look(true);
            assert!(sessions.user(&token, &users, true, now).is_none());
        }
    }
}
