//! The file of users: TOML, one `[[user]]` each; secrets and tokens as hashes only. `genims user` changes it, and whoever makes
//! the first admin.
//!
//! Invariant: the hash of the one-time secret is there only while there is no admin who could sign in.

use super::role::Role;
use genims_locks::file::{AccountFile, check_name, now};
use genims_locks::secret::digest;
use genims_locks::{LockError, secret};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

const TOKENS_MAX: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    pub name: String,
    pub role: Role,
    /// Of the secret.
    pub hash: String,
    #[serde(default)]
    pub disabled: bool,
    /// SHA-256 of each, in hex: tokens are drawn, and need no slow hash.
    #[serde(default)]
    pub tokens: Vec<String>,
    #[serde(default)]
    pub added: String,
    #[serde(default)]
    pub rotated: String,
}

impl User {
    pub fn new(name: &str, role: Role, secret: &str) -> Result<Self, LockError> {
        check_name(name).map_err(LockError::Account)?;
        let hash = secret::hash_new(secret).map_err(LockError::Account)?;
        let added = now();
        let (disabled, tokens, rotated) = (false, Vec::new(), added.clone());
        Ok(Self { name: name.to_owned(), role, hash, disabled, tokens, added, rotated })
    }

    /// Sessions end by the new hash, tokens by being gone.
    pub fn rotate(&mut self, secret: &str) -> Result<(), LockError> {
        self.hash = secret::hash_new(secret).map_err(LockError::Account)?;
        self.tokens.clear();
        self.rotated = now();
        Ok(())
    }

    /// A new token; the only time that it can be seen.
    pub fn token(&mut self) -> Result<String, LockError> {
        if self.tokens.len() >= TOKENS_MAX {
            let remedy = "`genims user rotate` ends all of them";
            return Err(LockError::Account(format!("{} has {TOKENS_MAX} tokens; {remedy}", self.name)));
        }
        let token = secret::drawn();
        self.tokens.push(digest(token.as_bytes()));
        Ok(token)
    }

    pub(crate) fn is_admin(&self) -> bool {
        self.role == Role::Admin && !self.disabled
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserFile {
    /// Of the one-time secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first: Option<String>,
    #[serde(default)]
    pub user: Vec<User>,
}

impl UserFile {
    pub(crate) fn has_admin(&self) -> bool {
        self.user.iter().any(User::is_admin)
    }

    pub fn add(&mut self, user: User) -> Result<(), LockError> {
        if self.user.iter().any(|other| other.name == user.name) {
            let remedy = "`genims user rotate` gives them another secret";
            return Err(LockError::Account(format!("there is a user {} already; {remedy}", user.name)));
        }
        self.user.push(user);
        self.end_first();
        Ok(())
    }

    pub fn alter<T>(&mut self, name: &str, by: impl FnOnce(&mut User) -> Result<T, LockError>) -> Result<T, LockError> {
        let Some(user) = self.user.iter_mut().find(|user| user.name == name) else {
            return Err(LockError::Account(format!("there is no user {name}; `genims user list` shows all")));
        };
        let done = by(user)?;
        self.end_first();
        Ok(done)
    }

    /// However there came to be an admin.
    fn end_first(&mut self) {
        if self.has_admin() {
            self.first = None;
        }
    }
}

impl AccountFile for UserFile {
    const WHAT: &'static str = "users";
    const HEAD: &'static str = "# Who may sign in to the HTTP side of `genims serve`. Change it with `genims user`; the server \
                                notices by itself.\n\n";

    fn check(&self) -> Result<(), String> {
        let mut names = HashSet::new();
        for user in &self.user {
            check_name(&user.name)?;
            if !secret::is_hash(&user.hash) {
                let name = &user.name;
                return Err(format!("the hash of {name} is none of argon2id; `genims user rotate` makes one"));
            }
            if !names.insert(&user.name) {
                return Err(format!("{} is there twice", user.name));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_time_secret_ends_with_an_admin_however_there_came_to_be_one() {
        let user = |role| User::new("a", role, "long enough a secret").unwrap();
        let first = || UserFile { first: Some("hash".to_owned()), user: Vec::new() };
        let mut all = first();
        all.add(user(Role::Operator)).unwrap();
        assert!(all.first.is_some());
        all.alter("a", |user| {
            user.role = Role::Admin;
            Ok(())
        })
        .unwrap();
        assert!(all.first.is_none(), "who was given the role is one");
        let mut all = first();
        all.add(User { disabled: true, ..user(Role::Admin) }).unwrap();
        assert!(all.first.is_some(), "one who may not sign in is none");
        all.alter("a", |user| {
            user.disabled = false;
            Ok(())
        })
        .unwrap();
        assert!(all.first.is_none());
        assert!(all.alter("b", |_| Ok(())).is_err());
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        assert!(User::new("a", Role::Admin, "short").is_err());
        assert!(User::new("a", Role::Admin, &"x".repeat(1_025)).is_err(), "no door would take it");
        assert!(User::new(" a", Role::Admin, "long enough a secret").is_err());
        let mut user = User::new("a", Role::Admin, "long enough a secret").unwrap();
        let tokens: Vec<String> = (0..TOKENS_MAX).map(|_| user.token().unwrap()).collect();
        assert!(user.token().is_err());
        assert!(!user.tokens.contains(&tokens[0]) && user.tokens.contains(&digest(tokens[0].as_bytes())));
        let before = user.hash.clone();
        user.rotate("another long secret").unwrap();
        assert!(user.tokens.is_empty() && user.hash != before);
        let mut all = UserFile::default();
        all.add(user.clone()).unwrap();
        assert!(all.add(user.clone()).is_err());
        all.user.push(user);
        assert!(all.check().unwrap_err().contains("twice"));
        all.user.truncate(1);
        all.user[0].hash = "plain".to_owned();
        assert!(all.check().unwrap_err().contains("argon2id"));
    }
}
