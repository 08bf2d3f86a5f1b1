//! Users as the running server knows them. A name and a secret, or a token, enter; leaves the user, or what was refused.

use super::file::{User, UserFile};
use super::role::Role;
use arc_swap::ArcSwap;
use genims_locks::file::{change, read};
use genims_locks::refusals::RefusalKind;
use genims_locks::secret::digest;
use genims_locks::tries::{Tries, Unheard};
use genims_locks::watch::Watched;
use genims_locks::{LockError, secret};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a sign-in may wait for others that are looked at.
const PATIENCE: Duration = Duration::from_secs(10);
/// So many sign-ins of one address are looked at or wait for it: people, and not all of a plant's machines.
const WAITING_OF_ONE: usize = 4;
/// The name under which the one-time secret is tried: none that a user can have.
const FIRST: &str = " ";

#[derive(Debug, Default)]
struct Known {
    by_name: HashMap<String, Arc<User>>,
    by_token: HashMap<String, Arc<User>>,
    /// The hash of the one-time secret, while it opens anything.
    first: Option<String>,
}

#[derive(Debug)]
pub struct Users {
    path: PathBuf,
    known: ArcSwap<Known>,
    watched: Mutex<Watched>,
    tries: Tries,
}

impl Users {
    pub fn open(path: &Path, failures_max: u32, lockout: Duration) -> Result<Arc<Self>, LockError> {
        let watched = Mutex::new(Watched::new(vec![path.to_owned()]));
        let known = ArcSwap::from_pointee(known(path)?);
        // One core hashes: people sign in now and then, and readings go before them.
        let tries = Tries::new(failures_max, lockout, 1).waiting_of_one(WAITING_OF_ONE);
        Ok(Arc::new(Self { path: path.to_owned(), known, watched, tries }))
    }

    /// Reads the file anew if it has changed, and tells whether it did. One that cannot be read leaves in force what was read
    /// before; one that is gone lets nobody in.
    pub fn look(&self, everything: bool) -> bool {
        if !self.watched.lock().is_due(everything) {
            return false;
        }
        match known(&self.path) {
            Ok(known) => {
                let before = self.known.load_full();
                let changed = |user: &User| before.by_name.get(&user.name).is_none_or(|was| was.hash != user.hash);
                for user in known.by_name.values().filter(|user| changed(user)) {
                    self.tries.forget(&user.name);
                }
                tracing::info!(users = known.by_name.len(), "the file of users was read again");
                self.known.store(Arc::new(known));
                true
            }
            Err(error) => {
                tracing::error!(%error, "the file of users cannot be read again; what was read before stays in force");
                false
            }
        }
    }

    /// One who may be in.
    pub(crate) fn user(&self, name: &str) -> Option<Arc<User>> {
        self.known.load().by_name.get(name).filter(|user| !user.disabled).cloned()
    }

    pub(crate) fn of_token(&self, token: &str) -> Option<Arc<User>> {
        self.known.load().by_token.get(&digest(token.as_bytes())).filter(|user| !user.disabled).cloned()
    }

    /// All of them, by name.
    pub(crate) fn all(&self) -> Vec<Arc<User>> {
        let mut all: Vec<Arc<User>> = self.known.load().by_name.values().cloned().collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    pub(crate) async fn sign_in(&self, host: &str, name: &str, shown: &str) -> Result<Arc<User>, RefusalKind> {
        let user = self.known.load().by_name.get(name).cloned();
        let hash = user.as_ref().map(|user| user.hash.as_str());
        let right = self.verify((host, name), shown, hash).await?;
        match user {
            Some(user) if right && user.disabled => Err(RefusalKind::Disabled),
            Some(user) if right => Ok(user),
            Some(_) => Err(RefusalKind::WrongSecret),
            None => Err(RefusalKind::UnknownName),
        }
    }

    async fn verify(&self, who: (&str, &str), shown: &str, hash: Option<&str>) -> Result<bool, RefusalKind> {
        let right = self.tries.verify(who, shown.as_bytes(), hash, Instant::now() + PATIENCE).await;
        right.map_err(|unheard| match unheard {
            Unheard::LockedOut => RefusalKind::LockedOut,
            Unheard::Busy => RefusalKind::Busy,
        })
    }

    /// Whether the one-time secret opens anything.
    pub(crate) fn awaits_first(&self) -> bool {
        self.known.load().first.is_some()
    }

    /// The first admin, by the one-time secret.
    pub(crate) async fn make_first(
        self: &Arc<Self>,
        host: &str,
        (name, chosen): (String, String),
        shown: &str,
    ) -> Result<Arc<User>, NotMade> {
        let first = self.known.load().first.clone();
        let right = self.verify((host, FIRST), shown, first.as_deref()).await.map_err(NotMade::Refused)?;
        if !right {
            return Err(NotMade::Refused(RefusalKind::WrongSecret));
        }
        let users = self.clone();
        // Hashing takes a while, and so may the disk.
        let made = tokio::task::spawn_blocking(move || {
            let user = User::new(&name, Role::Admin, &chosen)?;
            change(&users.path, |all: &mut UserFile| {
                if all.has_admin() || all.first != first {
                    return Err(LockError::Account("there is an admin by now".to_owned()));
                }
                all.add(user.clone())
            })?;
            users.look(true);
            Ok(user)
        });
        match made.await {
            Ok(Ok(user)) => Ok(Arc::new(user)),
            Ok(Err(error)) => Err(NotMade::Fault(error)),
            Err(_) => Err(NotMade::Refused(RefusalKind::Busy)),
        }
    }
}

/// Why there is no first admin.
#[derive(Debug)]
pub(crate) enum NotMade {
    Refused(RefusalKind),
    Fault(LockError),
}

fn known(path: &Path) -> Result<Known, LockError> {
    let all: UserFile = read(path)?;
    let mut known = Known { first: all.first.clone().filter(|_| !all.has_admin()), ..Known::default() };
    for user in all.user.into_iter().map(Arc::new) {
        known.by_token.extend(user.tokens.iter().map(|token| (token.clone(), user.clone())));
        known.by_name.insert(user.name.clone(), user);
    }
    Ok(known)
}

/// A new token of a session.
pub(crate) fn drawn() -> String {
    secret::drawn()
}
