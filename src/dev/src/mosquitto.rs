//! mosquitto: one plain listener and one with TLS, both on 127.0.0.1, open to everybody there, nothing persistent.
//!
//! The load harness compares with it, so its limits are wide enough never to be what is measured: any number of messages
//! in flight per client, and a queue of 100,000 per client before messages are dropped.

use super::error::Result;
use super::{Launch, Server};
use std::process::Command;

pub(super) fn initialise(launch: &Launch<'_>) -> Result<()> {
    launch.place.account.make_dir(&launch.place.server(Server::Mosquitto))
}

pub(super) fn command(launch: &Launch<'_>) -> Result<Command> {
    let path = launch.place.server(Server::Mosquitto).join("mosquitto.conf");
    launch.place.account.write_secret(&path, settings(launch).as_bytes())?;
    let mut command = launch.command("mosquitto")?;
    command.arg("-c").arg(&path);
    Ok(command)
}

fn settings(launch: &Launch<'_>) -> String {
    let tls = launch.place.tls();
    let mut text = format!(
        "persistence false\nallow_anonymous true\nmax_inflight_messages 0\nmax_queued_messages 100000\n\
         set_tcp_nodelay true\nlog_dest stderr\nlog_type error\nlog_type warning\nlog_type notice\n\
         connection_messages false\n\nlistener {} 127.0.0.1\n",
        launch.port
    );
    if let Some(port) = launch.tls_port {
        text.push_str(&format!(
            "\nlistener {port} 127.0.0.1\ncertfile {}\nkeyfile {}\n",
            tls.certificate.display(),
            tls.key.display()
        ));
    }
    text
}
