//! What goes wrong with a backup. Every message names the cause and the remedy; none holds a password.

use genims_databases::DatabaseError;
use genims_platform::PlatformError;
use std::io;
use std::path::Path;

/// What a place in S3 begins with.
pub(crate) const SCHEME: &str = "s3://";

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error(transparent)]
    Database(#[from] DatabaseError),

    #[error(transparent)]
    Platform(#[from] PlatformError),

    #[error("{path} cannot be written: {source}; name a folder with room that may be written")]
    Write { path: String, source: io::Error },

    #[error("{path} cannot be read: {source}; mend the path or its permissions")]
    Read { path: String, source: io::Error },

    #[error(
        "{path} cannot be written: {source}; see that it is the right bucket and service, and what the account may do there"
    )]
    Put { path: String, source: io::Error },

    #[error(
        "{path} cannot be read: {source}; see that it is the right bucket and service, and what the account may do there"
    )]
    Get { path: String, source: io::Error },

    #[error("{place} is no place in S3: {cause}; write it as s3://BUCKET/PREFIX")]
    BadPlace { place: String, cause: &'static str },

    #[error(
        "{place} is in S3, and what is kept of servers lies in a folder, for `genims backup servers` as for `genims restore \
         --point`; nothing was done: name a folder on a disk"
    )]
    NeedsFolder { place: String },

    #[error(
        "{place} is reached with the keys of an account, and {variable} is not set; put it into the environment or .env, or the \
         path of a file that holds it into {variable}_FILE"
    )]
    NoKey { place: String, variable: &'static str },

    #[error("{variable}: {cause}; write the URL of the S3 service alone, like http://127.0.0.1:9000")]
    Endpoint { variable: &'static str, cause: String },

    #[error("{database} is not on its server; run `genims provision`, or restore it")]
    Missing { database: String },

    #[error("no {program} of version {wanted} or newer is here{found}; install {package}")]
    NoProgram { program: &'static str, wanted: String, found: String, package: String },

    #[error("{database}: {program} failed: {cause}; mend that and run this again")]
    Program { database: String, program: String, cause: String },

    #[error(
        "{database}: {program} did nothing for {minutes} minutes and was ended; look at the load and the disks of this machine and of \
         the server, then run this again. Of a log that is played, one statement may take longer: choose a moment before it, or \
         behind a newer copy, which `genims backup servers` makes"
    )]
    Silent { database: String, program: String, minutes: u64 },

    #[error("{folder} has a backup of {database} in the making; wait for it, or end it, and run this again")]
    Busy { folder: String, database: String },

    #[error("{folder} stays: somebody restores from it; it goes when that is done and this runs again")]
    InUse { folder: String },

    #[error(
        "{folder} stays: whether somebody restores from it cannot be told: {source}; see that its disk knows locks"
    )]
    Unlockable { folder: String, source: io::Error },

    #[error("{folder} is being removed, and nothing was restored from it; take a newer one")]
    Going { folder: String },

    #[error(
        "{folder} has no complete backup of {database}{passed_over}, and nothing was restored; `genims backup list --from \
         {folder}` tells what it has, and one that is named by its own folder is taken as it is"
    )]
    NoBackup { folder: String, database: String, passed_over: String },

    #[error("{file}: {cause}; this backup is damaged and nothing was restored from it: take another one")]
    Damaged { file: String, cause: String },

    #[error(
        "{place} is no recipient of age; name what begins with age1, as `age-keygen -y FILE` prints it: public, not the \
         identity, which is secret"
    )]
    Recipient { place: String },

    #[error("{path} holds no recipient, so nothing was saved; write one a line, as `age-keygen -y FILE` prints it")]
    NoRecipients { path: String },

    #[error(
        "the identity file {path} opens backups, and others can read or write it (mode {mode:03o}); chmod 600 {path}"
    )]
    OpenIdentity { path: String, mode: u32 },

    #[error("{path} is no file of age identities: {cause}; name one as `age-keygen` writes it, without a passphrase")]
    NoIdentity { path: String, cause: String },

    #[error("{folder} is encrypted for {recipients}; name the file with the identity of one of them: --identity FILE")]
    NeedsIdentity { folder: String, recipients: String },

    #[error(
        "{file} is encrypted for {recipients}, and the identity that was named is none of theirs; nothing was restored: name \
         another file beside --identity"
    )]
    WrongIdentity { file: String, recipients: String },

    #[error("a drill that encrypts needs both; add {lacks}")]
    HalfOfKeys { lacks: &'static str },

    #[error("{place} holds {holds}; add --replace to lose that, or --as NAME to restore beside it")]
    NotEmpty { place: String, holds: String },

    #[error("{database} mirrors nothing; --from-postgres is for genims_production")]
    NoMirror { database: String },

    #[error(
        "{place} holds documents of the stream; add --replace to lose them: state changes, counted parts and OEE hours that the log \
         no longer holds do not come back"
    )]
    MirrorNotEmpty { place: String },

    #[error(
        "{place} holds what genims_operations_db lacks and cannot give again: {lacks}; nothing was touched. Bring \
         genims_operations_db back first, or, if a server runs, ask again when its lag is 0; `genims backup production --to DIR` \
         keeps what MongoDB holds, and --lose-readings goes on without it"
    )]
    MirrorAlone { place: String, lacks: String },

    #[error("{name:?} is no name for a database; use a-z, 0-9 and _, a letter first, at most 50 of them")]
    BadName { name: String },

    #[error("{name} is somebody else's database; choose another name beside --as")]
    TakenName { name: String },

    #[error(
        "{database}: {collections} were written to while they were read, {attempts} times in a row; run this while nobody \
         writes to them"
    )]
    Torn { database: String, collections: String, attempts: usize },

    #[error(
        "{place}: restored, and not what the backup holds: {differences}; restore it again, or from another backup"
    )]
    Differs { place: String, differences: String },

    #[error(
        "no {program} of version {version} is here, and a moment is reached by a server in passing; install {package}"
    )]
    NoServer { program: &'static str, version: String, package: String },

    #[error(
        "servers do not run as root, and there is no account {user} here; install the server's package, or run this as somebody else"
    )]
    NoAccount { user: &'static str },

    #[error("{path} is too long for the address of a socket (at most {max} bytes); let TMPDIR name a shorter one")]
    LongPath { path: String, max: usize },

    #[error(
        "{place}: no login of ours may copy this server; `ALTER ROLE ... REPLICATION` for one of them, and a line for \
         `replication` in pg_hba.conf"
    )]
    NoReplication { place: String },

    #[error("{place}: {lacks}, so there is nothing to go on with from a copy; {remedy}")]
    NoServerLog { place: String, lacks: &'static str, remedy: &'static str },

    #[error(
        "{place}: the server's log does not go on with what {folder} has of it, so the server is an older copy of itself, or a new one \
         at the same place; nothing was saved: move that folder away, and what follows begins anew"
    )]
    WentBack { place: String, folder: String },

    #[error(
        "{database} has no moment of its own: it follows {source_database}; restore that with --point, and {database} from its own \
         newest backup: the stream brings it up to there again"
    )]
    FollowsAnother { database: String, source_database: &'static str },

    #[error(
        "{folder} holds no copy of a server with what its log said since{remark}, so no moment can be reached and nothing was \
         restored; `genims backup servers --to DIR` makes one, for moments from then on"
    )]
    NoPoints { folder: String, remark: String },

    #[error("{point} is outside of what {folder} holds, and nothing was restored; choose a moment of {held}")]
    PointOutside { point: String, folder: String, held: String },

    #[error(
        "{point}: {folder} lacks a part of the server's log behind {until}, and nothing was restored across it; bring it \
         back, or choose a moment of {held}"
    )]
    PointInGap { point: String, folder: String, until: String, held: String },

    #[error("{folder} holds several servers, and none of them is {place}; name one of them: {found}")]
    WhichServer { folder: String, place: String, found: String },

    #[error("{database} was not on the server at {point}, and nothing was restored; choose a later moment")]
    NotThere { database: String, point: String },

    #[error("{database}: the private {program} {cause}: {said}; nothing was restored")]
    Private { database: String, program: &'static str, cause: String, said: String },

    #[error("{place}: restored, but provisioning it failed: {cause}; run `genims provision` again")]
    Provision { place: String, cause: String },
}

impl BackupError {
    pub(crate) fn write(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.display().to_string();
        move |source| match path.starts_with(SCHEME) {
            true => Self::Put { path, source },
            false => Self::Write { path, source },
        }
    }

    pub(crate) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.display().to_string();
        move |source| match path.starts_with(SCHEME) {
            true => Self::Get { path, source },
            false => Self::Read { path, source },
        }
    }
}
