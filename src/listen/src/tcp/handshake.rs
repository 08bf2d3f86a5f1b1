//! The start of a connection: HELLO in time, the client's session to ourselves, WELCOME.
//!
//! Invariant: WELCOME leaves after everything that an older connection has left under way is settled, or the wait for it is
//! over; then what is still open is known, and a resend of it is found to be one.

use super::Shared;
use super::progress::{Client, Lease, Session};
use super::refusal::Refusal;
use super::wire::{Stream, Wire};
use crate::locks::{Credentials, Denied, Pass};
use genims_decode::frame::{FrameType, Hello, RefuseCode, Welcome, encode};
use genims_model::Mark;
use std::sync::Arc;
use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, sleep_until, timeout_at};

/// Who a connection is.
pub(super) struct Welcomed {
    /// As it calls itself.
    pub(super) client_id: String,
    pub(super) client: Arc<Client>,
    pub(super) session: OwnedMutexGuard<Session>,
    pub(super) lease: Lease,
    /// As WELCOME told it.
    pub(super) last_sequence: u64,
}

/// `None`: the client left before WELCOME.
pub(super) async fn handshake<S: Stream>(
    wire: &mut Wire<S>,
    shared: &Shared,
    pass: &mut Pass,
) -> Result<Option<Welcomed>, Refusal> {
    let options = &shared.options;
    let deadline = Instant::now() + options.hello_timeout;
    let (client_id, login) = loop {
        if let Some(frame) = wire.peek()? {
            if frame.frame_type != FrameType::Hello {
                return Err(Refusal::protocol("the first frame must be HELLO"));
            }
            let (hello, bytes) = (Hello::parse(frame.body)?, frame.bytes());
            let login = hello.login.map(|(name, secret)| (name.to_owned(), secret.to_vec()));
            let client_id = hello.client_id.to_owned();
            wire.consume(bytes);
            break (client_id, login);
        }
        if wire.ended {
            return Ok(None);
        }
        if timeout_at(deadline, wire.fill()).await.is_err() {
            return Err(Refusal::protocol(format!("no HELLO within {:?}", options.hello_timeout)));
        }
    };
    let shown = login.as_ref().map(|(name, secret)| Credentials { name: Some(name), secret }).unwrap_or_default();
    pass.log_in(shown, false, deadline).await.map_err(denial)?;
    pass.take_place(&client_id).map_err(denial)?;
    // Sequences count under it: nobody moves another's. No client id has a zero byte.
    let id = pass.owner().map_or_else(|| client_id.clone(), |owner| format!("{owner}\0{client_id}"));
    if id.starts_with(Mark::RESERVED) {
        return Err(Refusal::protocol(format!("a client id does not begin with {}", Mark::RESERVED)));
    }
    let client = shared.progress.client(&id).ok_or_else(|| Refusal::busy("too many clients are connected"))?;
    let mut lease = client.take_over();
    let deadline = Instant::now() + options.takeover_timeout;
    let mut session = tokio::select! {
        biased;
        session = timeout_at(deadline, client.own()) => {
            session.map_err(|_| Refusal::busy("the client's older connection is still handing its frames over"))?
        }
        () = lease.over() => return Err(Refusal::taken_over()),
    };
    // What an older connection left under way should be settled, so that WELCOME tells the truth of this moment.
    settle_all(&mut session, &client, &mut lease, deadline).await;
    if lease.is_over() {
        return Err(Refusal::taken_over());
    }
    if !session.resume(&client) {
        return Err(Refusal::busy("frames of an older connection are still under way behind refused ones"));
    }
    let last_sequence = client.durable();
    let welcome =
        Welcome { last_sequence, body_bytes_max: options.body_bytes_max, in_flight_max: options.in_flight_frames_max };
    wire.put(|out| encode::welcome(welcome, out));
    if wire.flush().await.is_err() {
        return Ok(None);
    }
    Ok(Some(Welcomed { client_id, client, session, lease, last_sequence }))
}

/// Which of name and secret is wrong is nobody's business.
fn denial(denied: Denied) -> Refusal {
    let why = match denied {
        Denied::Unknown | Denied::Wrong => "name or secret is wrong",
        Denied::LockedOut => "too many wrong secrets; connect again later, with the right one",
        Denied::Disabled => "the client is disabled",
        Denied::Nobody => "log in with HELLO, or show a certificate",
        Denied::TopicsOnly => "the client is held to MQTT topics; hold it to machines",
        Denied::Busy => return Refusal::busy("too many logins at once"),
        Denied::ConnectionsOfClient => return Refusal::busy("the client has as many connections as it may"),
        Denied::ConnectionsOfAddress => return Refusal::busy("this address has as many connections as it may"),
    };
    Refusal::new(RefuseCode::Denied, 0, why)
}

/// Waits until nothing is in flight, the deadline has passed, or a newer connection has come.
async fn settle_all(session: &mut Session, client: &Client, lease: &mut Lease, deadline: Instant) {
    session.settle(client);
    while !session.is_drained() && !lease.is_over() {
        tokio::select! {
            biased;
            () = client.waiter.notified() => { session.settle(client); }
            () = lease.over() => return,
            () = sleep_until(deadline) => return,
        }
    }
}
