//! The locks of the HTTP side: what the configuration says becomes TLS, users and sessions. The one-time secret of a first start
//! leaves on standard error where that is a terminal, and else, since it is a journal then that others read and that stays, in a
//! file of the data folder that goes once the secret opens nothing.

use super::ServerError;
use crate::settings::Settings;
use genims_api::sign::first;
use genims_api::sign::{Doorway, Sign, Users};
use genims_locks::LockError;
use genims_locks::refusals::Refusals;
use genims_locks::tls::Tls;
use std::io::{IsTerminal, stderr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Something that is read again when it has changed, or, when told to, whether or not it has.
pub(super) type Look = Box<dyn Fn(bool) + Send + Sync>;

/// How the HTTP side is reached, and what of it is looked at again.
pub(super) fn open(settings: &Settings, refusals: Arc<Refusals>) -> Result<(Doorway, Vec<Look>), ServerError> {
    let options = &settings.http;
    let wrong = |source: LockError| ServerError::Http(Box::new(source));
    let tls = options.tls().map(|options| Tls::open(&options, true)).transpose().map_err(wrong)?.map(Arc::new);
    if options.is_public() && tls.is_none() {
        let address = options.listen;
        tracing::warn!(%address, "the HTTP side is in clear outside loopback: whoever reaches it reads along, secrets among it");
    }
    if options.is_public() && !options.asks_to_sign_in() {
        tracing::warn!("nobody signs in to the HTTP side: whoever reaches it sees everything");
    }
    let mut looks: Vec<Look> = Vec::new();
    looks.extend(tls.clone().map(|tls| Box::new(move |everything: bool| look(&tls, everything)) as Look));
    let mut sign = None;
    if options.asks_to_sign_in() {
        let path = options.users(&settings.data_dir);
        let place = first::place(&settings.data_dir);
        first::draw(&path, |secret| tell(secret, &place)).map_err(wrong)?;
        let users = Users::open(&path, options.failures_max, options.lockout).map_err(wrong)?;
        let spans = (options.session_idle, options.session_max);
        let signs = Sign::new(users, spans, refusals.clone(), tls.is_some());
        sign = Some(signs.clone());
        looks.push(kept_until_used(place, signs.clone()));
        looks.push(Box::new(move |everything| signs.look(everything)));
    }
    let only_here = !options.is_public() && sign.is_none();
    let doorway =
        Doorway { tls, sign, only_here, open_metrics: options.open_metrics, refusals, reload: Arc::default() };
    Ok((doorway, looks))
}

/// Not through the log, whose lines go further.
fn tell(secret: &str, place: &Path) -> Result<(), LockError> {
    let remedy = "make the first admin with it at /sign-in, or with `genims user add NAME --role admin`";
    if stderr().is_terminal() {
        eprintln!("genims: nobody can sign in yet. One-time secret, shown this once: {secret}\ngenims: {remedy}");
        return Ok(());
    }
    first::put(place, secret)?;
    eprintln!("genims: nobody can sign in yet. One-time secret: in {}\ngenims: {remedy}", place.display());
    Ok(())
}

/// The file goes with the first admin, whoever makes one, and whenever: also while no server ran.
fn kept_until_used(place: PathBuf, sign: Arc<Sign>) -> Look {
    let is_kept = AtomicBool::new(true);
    Box::new(move |_| {
        if sign.awaits_first() || !is_kept.swap(false, Ordering::Relaxed) {
            return;
        }
        if let Err(error) = first::remove(&place) {
            tracing::warn!(file = %place.display(), %error, "a one-time secret that opens nothing any more cannot be removed");
        }
    })
}

fn look(tls: &Tls, everything: bool) {
    match tls.look(everything) {
        Some(Ok(_)) => tracing::info!(listener = "http", "certificates were read again"),
        Some(Err(error)) => tracing::error!(
            listener = "http", %error, "certificates cannot be read again; those read before stay in force"
        ),
        None => {}
    }
}
