//! Rights on files and folders that hold secrets or decide what runs. Who may write a folder may put another file in its place,
//! so the folders of such files count as well.

use super::Finding;
use super::Subject::Files;
use crate::settings::{ListenerKind, Settings};
use genims_databases::{DatabaseError, Environment, Registry};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Others read or write, or the group writes: the group may read, for a service that runs under another account.
const SECRET: u32 = 0o027;
/// Others, or the group, write.
const DECIDING: u32 = 0o022;
/// Anybody with an account on this machine.
const OTHERS: u32 = 0o007;

pub(super) fn look(
    settings: &Settings,
    config: Option<&Path>,
    environment: &Environment,
) -> Result<Vec<Finding>, DatabaseError> {
    let mut findings = Vec::new();
    for (what, path) in secrets(settings, environment)? {
        findings.extend(judge(&what, &path, SECRET, "chmod 600"));
        findings
            .extend(path.parent().and_then(|folder| judge("the folder of that file", folder, DECIDING, "chmod go-w")));
    }
    for (what, path) in deciding(settings, config) {
        findings.extend(judge(&what, &path, DECIDING, "chmod go-w"));
    }
    findings.extend(judge(
        "the data folder, with everything that was received,",
        &settings.data_dir,
        OTHERS,
        "chmod o-rwx",
    ));
    findings.dedup();
    Ok(findings)
}

/// What others must not read.
fn secrets(settings: &Settings, environment: &Environment) -> Result<Vec<(String, PathBuf)>, DatabaseError> {
    let mut found = vec![("the environment file".to_owned(), PathBuf::from(".env"))];
    for listener in &settings.listeners {
        let name = &listener.name;
        let key = listener.kind.locks().0.map(|tls| &tls.key_file);
        found.extend(key.map(|path| (format!("the key of listener {name}"), path.clone())));
        if let ListenerKind::Bridge(options) = &listener.kind {
            let files = [("password", &options.password_file), ("key", &options.key_file)];
            let given = files.into_iter().filter_map(|(what, path)| Some((what, path.clone()?)));
            found.extend(given.map(|(what, path)| (format!("the {what} of bridge {name}"), path)));
        }
    }
    found.extend(settings.http.tls.as_ref().map(|tls| ("the key of the HTTP side".to_owned(), tls.key_file.clone())));
    found.push(("the file of users".to_owned(), settings.http.users(&settings.data_dir)));
    let clients = settings.clients.as_ref().map(|options| options.path(&settings.data_dir));
    found.extend(clients.map(|path| ("the file of clients".to_owned(), path)));
    for variable in super::secrets::variables(&Registry::load(None)?) {
        let path = environment.get(&format!("{variable}_FILE"));
        found.extend(path.map(|path| (format!("{variable}_FILE"), PathBuf::from(path))));
    }
    Ok(found)
}

/// What decides what is done.
fn deciding(settings: &Settings, config: Option<&Path>) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    found.extend(config.map(|path| ("the configuration".to_owned(), path.to_owned())));
    found.extend(std::env::current_exe().ok().map(|path| ("the program".to_owned(), path)));
    let routes = settings.routes.as_ref().and_then(|routes| routes.directory.clone());
    found.extend(routes.map(|path| ("the folder of routes, which are SQL,".to_owned(), path)));
    for listener in &settings.listeners {
        let Some(tls) = listener.kind.locks().0 else { continue };
        let files = [Some(&tls.cert_file), tls.client_ca_file.as_ref(), tls.crl_file.as_ref()];
        found.extend(
            files
                .into_iter()
                .flatten()
                .map(|path| (format!("a certificate file of listener {}", listener.name), path.clone())),
        );
    }
    found
}

/// What is not there is no fault here. Folders in which each may delete his own only (`/tmp`) are nobody's.
fn judge(what: &str, path: &Path, forbidden: u32, remedy: &str) -> Option<Finding> {
    const STICKY: u32 = 0o1000;
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let found = std::fs::metadata(path).ok()?;
    let mode = found.mode() & 0o7777;
    let is_fine = mode & forbidden == 0 || (found.is_dir() && mode & STICKY != 0);
    let may = if mode & forbidden & 0o022 == 0 { "read" } else { "written" };
    let told = || format!("{what} can be {may} by others: {} (mode {:03o})", path.display(), mode & 0o777);
    (!is_fine).then(|| Finding::high(Files, told(), format!("{remedy} {}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn rights_of_others_are_found_and_those_of_the_owner_are_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        fs::create_dir(&data).expect("made");
        let key = folder.path().join("key.pem");
        fs::write(&key, "x").expect("written");
        let password = folder.path().join("password");
        fs::write(&password, "x").expect("written");
        let config = folder.path().join("plant.toml");
        let text = format!(
            "data_dir = {data:?}\n[[listeners]]\ntype = \"mqtt\"\nname = \"m\"\ntls = {{ cert_file = \"none\", key_file = {key:?} }}\n"
        );
        fs::write(&config, &text).expect("written");
        let settings = Settings::parse(&text, &config, &Environment::default()).expect("a good file");
        let variable = password.display().to_string();
        let environment = Environment::from_pairs([("GENIMS_POSTGRES_PASSWORD_FILE", &variable)]);
        let modes = |modes: [u32; 5]| {
            let of = [folder.path(), &data, &key, &password, &config].into_iter().zip(modes);
            of.for_each(|(path, mode)| fs::set_permissions(path, Permissions::from_mode(mode)).expect("changed"));
            let all = look(&settings, Some(&config), &environment).expect("the registry");
            let here = |finding: &Finding| finding.found.contains(&*folder.path().to_string_lossy());
            all.into_iter().filter(here).map(|finding| finding.found).collect::<Vec<_>>()
        };
        assert_eq!(modes([0o755, 0o750, 0o640, 0o600, 0o644]), [""; 0]);
        for (all, said) in [
            ([0o755, 0o755, 0o640, 0o600, 0o644], "the data folder"),
            ([0o755, 0o750, 0o644, 0o600, 0o644], "the key of listener m can be read"),
            ([0o755, 0o750, 0o660, 0o600, 0o644], "the key of listener m can be written"),
            ([0o755, 0o750, 0o640, 0o604, 0o644], "GENIMS_POSTGRES_PASSWORD_FILE can be read"),
            ([0o755, 0o750, 0o640, 0o600, 0o664], "the configuration can be written"),
            ([0o775, 0o750, 0o640, 0o600, 0o644], "the folder of that file can be written"),
        ] {
            let found = modes(all);
            assert!(found.iter().any(|found| found.contains(said)), "{said}: {found:?}");
        }
        assert_eq!(modes([0o1777, 0o750, 0o640, 0o600, 0o644]), [""; 0], "as /tmp");
    }
}
