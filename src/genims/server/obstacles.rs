//! What would stop a start, found without one: by `genims serve` before it begins, and by `genims validate`.
//!
//! Enter: settings that have been read, and the environment. Leave: complaints, all at once. Nothing is opened, connected,
//! bound or written; where a part checks itself when it is made, it is made and dropped.

use super::doors;
use crate::settings::{Complaint, ListenerKind, RouteOptions, Settings};
use genims_databases::configured::{self, ConnectionFault};
use genims_databases::{Database, DatabaseError, Environment, Registry, roots};
use genims_listen::bridge::{BridgeError, BridgeOptions};
use genims_listen::locks::clients;
use genims_locks::options::TlsOptions;
use genims_locks::tls;
use genims_routes::Routes;
use rustix::fs::{Access, access};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The databases that the server cannot do without, as configured.
pub fn databases<'r>(settings: &Settings, registry: &'r Registry) -> Vec<&'r Database> {
    let needed = [
        ("genims_master_db", true),
        ("genims_operations_db", settings.postgres.is_some()),
        ("genims_production", settings.mongodb.is_some()),
    ];
    let named = |name: &str| needed.iter().any(|(other, is_needed)| *is_needed && *other == name);
    registry.all().iter().filter(|database| named(&database.name)).collect()
}

/// Everything that stands in the way.
pub fn all(settings: &Settings, environment: &Environment) -> Result<Vec<Complaint>, DatabaseError> {
    let registry = Registry::load(None)?;
    let needed = databases(settings, &registry);
    let examined = configured::examine(needed.iter().copied(), environment);
    let missing = needed.iter().filter(|database| examined.without.contains(&database.name));
    let missing = missing.map(|database| Complaint {
        key: Some(database.connection.clone()),
        problem: format!("no connection is configured for {}; set it (see .env.example)", database.name),
        ..Complaint::default()
    });
    let mut complaints = on_this_machine(settings);
    complaints.extend(missing);
    complaints.extend(examined.faults.into_iter().map(of_variable));
    Ok(complaints)
}

/// The data folder, the files of the listeners, the routes.
pub fn on_this_machine(settings: &Settings) -> Vec<Complaint> {
    let folder = folder_problem(&settings.data_dir);
    let mut complaints: Vec<Complaint> =
        folder.into_iter().map(|problem| settings.complaint(None, "data_dir", problem)).collect();
    for (index, listener) in settings.listeners.iter().enumerate() {
        let complain = |key: &str, problem: String| settings.complaint(Some(index), key, problem);
        match &listener.kind {
            ListenerKind::Bridge(options) => complaints.extend(bridge_problem(options, &complain)),
            ListenerKind::Mqtt(options) => {
                complaints.extend(options.validate().err().map(|error| complain("", error.to_string())));
            }
            // What they could stumble over is held to ranges when the file is read.
            ListenerKind::Tcp(_) | ListenerKind::Line(_) => {}
        }
        complaints.extend(listener.kind.locks().0.and_then(|options| tls_problem(options, &complain)));
    }
    let tls = settings.http.tls();
    complaints.extend(
        tls.and_then(|tls| {
            tls_problem(&tls, &|key, problem| settings.complaint(None, &format!("http.{key}"), problem))
        }),
    );
    let file = settings.http.asks_to_sign_in().then(|| settings.http.users(&settings.data_dir));
    let problem = file.and_then(|path| genims_locks::file::read::<genims_api::sign::file::UserFile>(&path).err());
    complaints.extend(problem.map(|problem| settings.complaint(None, "http.users", problem.to_string())));
    let file = settings.clients.as_ref().map(|options| options.path(&settings.data_dir));
    let problem = file.and_then(|path| clients::file::read(&path).err());
    complaints.extend(problem.map(|problem| settings.complaint(None, "clients", problem.to_string())));
    let problem = settings.routes.as_ref().and_then(route_problem);
    complaints.extend(problem.map(|problem| settings.complaint(None, "routes", problem)));
    complaints
}

/// The route files, against each other and against the schema.
fn route_problem(options: &RouteOptions) -> Option<String> {
    let registry = Registry::load(None).ok()?;
    Routes::load(&registry, options.directory.as_deref()).err().map(|error| error.to_string())
}

/// A fault of what no file says.
pub fn of_variable(fault: ConnectionFault) -> Complaint {
    Complaint { key: Some(fault.variable), problem: fault.problem, ..Complaint::default() }
}

fn bridge_problem(options: &BridgeOptions, complain: &dyn Fn(&str, String) -> Complaint) -> Option<Complaint> {
    let wants_system = options.broker.starts_with("mqtts://") && options.ca_file.is_none();
    if let Some(problem) = roots::variable_problem().filter(|_| wants_system) {
        let remedy = "let it name a PEM file, unset it, or name the broker's CA in ca_file";
        return Some(complain("", format!("{problem}; {remedy}")));
    }
    let error = doors::try_bridge(options).err()?;
    let file = match &error {
        BridgeError::File { path, .. } | BridgeError::Certificates { path } | BridgeError::Key { path, .. } => {
            Some(path)
        }
        _ => None,
    };
    let files = [
        ("password_file", &options.password_file),
        ("ca_file", &options.ca_file),
        ("cert_file", &options.cert_file),
        ("key_file", &options.key_file),
    ];
    let is_it = |path: &Option<PathBuf>| file.is_some() && path.as_ref() == file;
    let key = files.iter().find(|(_, path)| is_it(path)).map_or("", |(key, _)| *key);
    let text = error.to_string();
    Some(complain(key, text.strip_prefix("bridge: ").unwrap_or(&text).to_owned()))
}

fn tls_problem(options: &TlsOptions, complain: &dyn Fn(&str, String) -> Complaint) -> Option<Complaint> {
    let error = tls::check(options).err()?;
    let files = [
        ("tls.cert_file", Some(&options.cert_file)),
        ("tls.key_file", Some(&options.key_file)),
        ("tls.client_ca_file", options.client_ca_file.as_ref()),
        ("tls.crl_file", options.crl_file.as_ref()),
    ];
    let key = files.iter().find(|(_, path)| path.is_some() && *path == error.path()).map_or("tls", |(key, _)| *key);
    Some(complain(key, error.to_string()))
}

/// Why a folder cannot be used, or not be made.
fn folder_problem(path: &Path) -> Option<String> {
    const REMEDY: &str = "name a folder that can be made and written to";
    for ancestor in path.ancestors() {
        let ancestor = if ancestor.as_os_str().is_empty() { Path::new(".") } else { ancestor };
        let place = ancestor.display();
        match std::fs::metadata(ancestor) {
            Ok(found) if !found.is_dir() => return Some(format!("{place} is a file; {REMEDY}")),
            Ok(_) => {
                let refused = access(ancestor, Access::WRITE_OK | Access::EXEC_OK).err()?;
                return Some(format!("{place} cannot be written to: {}; {REMEDY}", std::io::Error::from(refused)));
            }
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                if ancestor.is_symlink() {
                    return Some(format!("{place} is a link to what is not there; {REMEDY}"));
                }
            }
            Err(error) => return Some(format!("{place} cannot be looked at: {error}; {REMEDY}")),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn settings(text: &str) -> Settings {
        let text = format!("{text}\n[http]\nlisten = \"127.0.0.1:0\"");
        Settings::parse(&text, Path::new("plant.toml"), &Environment::default()).expect("a good file")
    }

    fn told(text: &str) -> Vec<String> {
        on_this_machine(&settings(text)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_data_folder_is_there_or_can_be_made() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs::write(&file, "x").expect("written");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/nonexistent/target", &link).expect("linked");
        let of = |path: &Path| told(&format!("data_dir = {:?}", path.display().to_string()));
        for good in [folder.path(), &folder.path().join("a/b"), Path::new("relative/to/here")] {
            assert_eq!(of(good), [""; 0], "{}", good.display());
        }
        for (path, cause) in [(&file, "is a file"), (&file.join("below"), "is a file"), (&link, "is a link")] {
            let told = of(path);
            assert!(told.len() == 1 && told[0].starts_with("plant.toml:1: data_dir = "), "{told:?}");
            assert!(told[0].contains(cause) && told[0].contains("name a folder"), "{told:?}");
        }
    }

    #[test]
    fn each_file_of_each_bridge_is_looked_at() {
        let bridge =
            |broker: &str, lines: &str| format!("[[listeners]]\ntype = \"bridge\"\nbroker = \"{broker}\"\n{lines}\n");
        let text = bridge("mqtts://h", "ca_file = \"/nonexistent/ca.pem\"")
            + &bridge("mqtt://h", "username = \"u\"\npassword_file = \"/nonexistent/password\"");
        let told = told(&text);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("plant.toml:4: listeners[0].ca_file = "), "{told:?}");
        assert!(told[1].starts_with("plant.toml:9: listeners[1].password_file = "), "{told:?}");
        assert!(told.iter().all(|told| told.contains("check the path")), "{told:?}");
    }

    #[test]
    fn the_server_s_databases_and_no_others_stand_in_its_way() {
        let environment = Environment::from_pairs([
            ("GENIMS_MONGODB_URL", "mongodb://h/?w=0"),
            ("GENIMS_HR_DB_URL", "postgresql://h:0/hr"),
            ("GENIMS_MASTER_DB_URL", "postgresql://h:0/master"),
        ]);
        let keys = |text: &str| {
            let complaints = all(&settings(text), &environment).expect("the registry");
            complaints.into_iter().filter_map(|complaint| complaint.key).collect::<Vec<_>>()
        };
        assert_eq!(keys(""), ["GENIMS_MASTER_DB_URL"]);
        assert_eq!(keys("[[sinks]]\ntype = \"mongodb\""), ["GENIMS_MASTER_DB_URL", "GENIMS_MONGODB_URL"]);
    }
}
