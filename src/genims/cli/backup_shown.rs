//! What backups of databases and of servers have in common to show: how far they are, how large they became, for whom they are.

use genims_backup::backup::BackupProgress;
use genims_terminal::{Progress, say};

pub(super) fn on(bar: &Progress, progress: BackupProgress<'_>) {
    match progress {
        BackupProgress::Step { database, what } => bar.show(format!("{database}: {what}")),
        BackupProgress::Bytes(bytes) => bar.show(size(bytes)),
        BackupProgress::Finished(_) => bar.advance(),
    }
}

pub(super) fn print_encrypted(recipients: &[String]) {
    if !recipients.is_empty() {
        say!("encrypted for {}", recipients.join(", "));
    }
}

pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..=999_999 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}
