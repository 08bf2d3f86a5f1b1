//! `genims user`: who may sign in to the HTTP side, as what. Writes the file of users, which a running server reads again by
//! itself; needs neither server nor database.

use super::client::secret;
use clap::{Args, Subcommand};
use genims::settings::Settings;
use genims_api::sign::file::{User, UserFile};
use genims_api::sign::role::Role;
use genims_locks::LockError;
use genims_locks::file::{change, read};
use genims_model::counted;
use genims_terminal::say;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct UserArgs {
    #[command(subcommand)]
    action: Action,

    /// Print the outcome as JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// A new user; prints the secret, which is shown once and stored hashed
    Add(AddArgs),
    /// All users and their roles
    List,
    /// Another secret; sessions and tokens of the user end within a second
    Rotate(SecretArgs),
    /// A token for programs, sent as `Authorization: Bearer`; shown once and stored hashed
    Token(NameArgs),
    /// Lets a user in no more; sessions and tokens end within a second
    Disable(NameArgs),
    /// Lets them in again
    Enable(NameArgs),
    /// Another role, in force at once
    Role(RoleArgs),
}

#[derive(Debug, Args)]
struct NameArgs {
    name: String,
}

#[derive(Debug, Args)]
struct SecretArgs {
    name: String,

    /// Take the secret from this file (- is standard input) instead of drawing one
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct AddArgs {
    #[command(flatten)]
    secret: SecretArgs,

    /// operator sees, engineer also acts, auditor sees the audit alone, admin all
    #[arg(long)]
    role: Role,
}

#[derive(Debug, Args)]
struct RoleArgs {
    name: String,

    /// operator, engineer, auditor or admin
    role: Role,
}

pub(crate) fn run(args: UserArgs, settings: &Settings) -> anyhow::Result<ExitCode> {
    let path = settings.http.users(&settings.data_dir);
    if !settings.http.asks_to_sign_in() {
        eprintln!(
            "genims: nobody is asked to sign in until [http] says sign_in = \"required\" or listens beyond loopback"
        );
    }
    let json = args.json;
    match args.action {
        Action::Add(AddArgs { secret: SecretArgs { name, secret_file }, role }) => {
            let (secret, is_drawn) = secret(secret_file.as_deref())?;
            let user = User::new(&name, role, &secret)?;
            change(&path, |all: &mut UserFile| all.add(user))?;
            told(&name, is_drawn.then_some(("secret", &secret)), &format!("was added as {role}"), json)
        }
        Action::List => list(&path, json),
        Action::Rotate(SecretArgs { name, secret_file }) => {
            let (secret, is_drawn) = secret(secret_file.as_deref())?;
            alter(&path, &name, |user| user.rotate(&secret))?;
            told(&name, is_drawn.then_some(("secret", &secret)), "has a new secret; sessions and tokens end", json)
        }
        Action::Token(NameArgs { name }) => {
            let token = alter(&path, &name, User::token)?;
            told(&name, Some(("token", &token)), "has one more token", json)
        }
        Action::Disable(NameArgs { name }) => set(&path, &name, "is disabled", json, |user| user.disabled = true),
        Action::Enable(NameArgs { name }) => set(&path, &name, "is let in again", json, |user| user.disabled = false),
        Action::Role(RoleArgs { name, role }) => {
            set(&path, &name, &format!("is {role} now"), json, |user| user.role = role)
        }
    }
}

fn set(path: &Path, name: &str, what: &str, json: bool, by: impl FnOnce(&mut User)) -> anyhow::Result<ExitCode> {
    alter(path, name, |user| {
        by(user);
        Ok(())
    })?;
    told(name, None, what, json)
}

fn alter<T>(path: &Path, name: &str, by: impl FnOnce(&mut User) -> Result<T, LockError>) -> Result<T, LockError> {
    change(path, |all: &mut UserFile| all.alter(name, by))
}

/// `shown`: what is seen this once.
fn told(name: &str, shown: Option<(&str, &String)>, what: &str, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        let mut outcome = json!({ "user": name });
        if let Some((word, value)) = shown {
            outcome[word] = json!(value);
        }
        say!("{outcome:#}");
    } else {
        say!("{name} {what}");
        if let Some((word, value)) = shown {
            say!("{word}: {value}");
            say!("It is shown this once: only its hash is kept.");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(path: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let all: UserFile = read(path)?;
    if json {
        let told = |user: &User| -> Value {
            json!({
                "user": user.name, "role": user.role, "disabled": user.disabled, "tokens": user.tokens.len(),
                "added": user.added, "rotated": user.rotated,
            })
        };
        let users: Vec<Value> = all.user.iter().map(told).collect();
        say!("{:#}", json!({ "file": path, "users": users }));
        return Ok(ExitCode::SUCCESS);
    }
    for user in &all.user {
        let state = if user.disabled { "disabled" } else { "enabled" };
        let tokens = counted(user.tokens.len(), "token");
        say!("{}  {}, {state}, {tokens}, since {}", user.name, user.role, user.rotated);
    }
    say!("{} in {}", counted(all.user.len(), "user"), path.display());
    Ok(ExitCode::SUCCESS)
}
