//! MongoDB: settings from `GENIMS_MONGODB_URL`, clients with a bounded pool. TLS, replica sets and authentication are said
//! in the URL.

use super::errors::DatabaseError;
use super::registry::Database;
use super::{APPLICATION_NAME, CONNECT_TIMEOUT, Environment};
use super::{pem, roots, url};
use mongodb::Client;
use mongodb::options::{Acknowledgment, ClientOptions, ConnectionString, HostInfo, Tls, WriteConcern};
use rustls::RootCertStore;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use std::fmt;
use std::path::Path;

/// The database of our own bookkeeping, so that the contract's database holds exactly the contract's collections.
pub const INTERNAL_DATABASE: &str = "genims_internal";

const EXAMPLE: &str = "mongodb://user:password@host:27017/genims_production?authSource=admin&tls=true";
/// Enough for the sink's writers, verification and the API at once.
const POOL_SIZE_MAX: u32 = 16;
/// Of the driver's mechanisms those that need nothing but what a URL can say.
const MECHANISMS: [&str; 4] = ["SCRAM-SHA-256", "SCRAM-SHA-1", "MONGODB-X509", "PLAIN"];
const FILES: &str = "let tlsCAFile name a PEM file with the authority's certificate, and tlsCertificateKeyFile one with our \
                     certificate and its key";

/// On the disks of the majority, with everything that was written before: the server's journal is in order.
pub fn durable() -> WriteConcern {
    WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build()
}

/// How to reach the document store.
#[derive(Clone)]
pub struct MongoSettings {
    /// The name in the registry, for messages.
    database: String,
    /// The name on the server.
    database_name: String,
    url: String,
    tls: Option<Tls>,
    password: Option<String>,
}

impl MongoSettings {
    /// The password may be left out of the URL and come from `GENIMS_MONGODB_PASSWORD` (or `_FILE`).
    pub fn from_environment(database: &Database, environment: &Environment) -> Result<Self, DatabaseError> {
        let Some(url) = environment.secret(&database.connection)? else {
            return Err(DatabaseError::NotConfigured {
                database: database.name.clone(),
                variable: database.connection.clone(),
                alternatives: "",
            });
        };
        let mut settings = Self::from_url(&database.name, &url)?;
        let variable = format!("{}_PASSWORD", database.connection.trim_end_matches("_URL"));
        settings.password = environment.secret(&variable)?;
        Ok(settings)
    }

    /// A URL that names no database, or only `admin`, means `database`.
    pub fn from_url(database: &str, url: &str) -> Result<Self, DatabaseError> {
        let wrong = |cause: String| DatabaseError::BadUrl {
            database: database.to_owned(),
            variable: "GENIMS_MONGODB_URL".to_owned(),
            cause,
            example: EXAMPLE,
        };
        let rest = url.strip_prefix("mongodb://").or_else(|| url.strip_prefix("mongodb+srv://"));
        let Some(rest) = rest else {
            return Err(wrong("it does not start with mongodb:// or mongodb+srv://".to_owned()));
        };
        url::check(url).map_err(wrong)?;
        mechanism(url).map_err(wrong)?;
        let parsed = ConnectionString::parse(url).map_err(|error| wrong(super::errors::mongo_cause(&error)))?;
        together(&parsed).map_err(wrong)?;
        let path = rest.split('?').next().and_then(|before| before.split_once('/')).map_or("", |(_, path)| path);
        let named = !path.is_empty() && path != "admin";
        let database_name = if named { path } else { database };
        Ok(Self {
            database: database.to_owned(),
            database_name: database_name.to_owned(),
            url: url.to_owned(),
            tls: parsed.tls,
            password: None,
        })
    }

    /// Whether the files that its URL names can be used; says so before anybody connects.
    pub fn check(&self) -> Result<(), DatabaseError> {
        let Some(Tls::Enabled(options)) = &self.tls else { return Ok(()) };
        let failed = |path: &Path, cause: String| DatabaseError::Tls {
            database: self.database.clone(),
            cause: format!("{}: {cause}", path.display()),
            remedy: FILES,
        };
        match &options.ca_file_path {
            Some(path) => {
                pem::authorities(path, &mut RootCertStore::empty()).map_err(|cause| failed(path, cause))?;
            }
            None => roots::check_variable(&self.database)?,
        }
        if let Some(path) = &options.cert_key_file_path {
            pem::certificates(path).map_err(|cause| failed(path, cause))?;
            PrivateKeyDer::from_pem_file(path).map_err(|error| failed(path, format!("it holds no key: {error}")))?;
        }
        Ok(())
    }

    pub fn database(&self) -> &str {
        &self.database
    }

    pub fn database_name(&self) -> &str {
        &self.database_name
    }

    /// The same server, another database.
    pub fn with_database(&self, name: &str) -> Self {
        Self { database_name: name.to_owned(), ..self.clone() }
    }

    /// Hosts and database, for messages.
    pub fn place(&self) -> String {
        let rest = self.url.split_once("://").map_or("", |(_, rest)| rest);
        let authority = rest.split(['/', '?']).next().unwrap_or("");
        let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
        format!("{hosts}/{}", self.database_name)
    }

    /// Whether its URL asks for TLS; an SRV record means it unless told otherwise.
    pub fn uses_tls(&self) -> bool {
        let options = self.url.split_once('?').map_or("", |(_, options)| options);
        let pairs = options.split('&').filter_map(|option| option.split_once('='));
        let said = pairs.filter(|(key, _)| matches!(*key, "tls" | "ssl")).map(|(_, value)| value == "true");
        said.reduce(|_, last| last).unwrap_or_else(|| self.url.starts_with("mongodb+srv://"))
    }

    /// A client with a pool of its own. It connects when first used: an unreachable server shows there.
    pub async fn client(&self) -> Result<Client, DatabaseError> {
        self.check()?;
        let mut options = ClientOptions::parse(&self.url).await.map_err(|source| self.error(source))?;
        options.app_name.get_or_insert_with(|| APPLICATION_NAME.to_owned());
        options.connect_timeout.get_or_insert(CONNECT_TIMEOUT);
        options.server_selection_timeout.get_or_insert(CONNECT_TIMEOUT);
        options.max_pool_size.get_or_insert(POOL_SIZE_MAX);
        if let (Some(password), Some(credential)) = (&self.password, &mut options.credential) {
            credential.password.get_or_insert_with(|| password.clone());
        }
        // The driver knows public authorities only, not those that an administrator added.
        if let Some(Tls::Enabled(tls)) = &mut options.tls
            && tls.ca_file_path.is_none()
        {
            tls.ca_file_path = roots::file();
        }
        Client::with_options(options).map_err(|source| self.error(source))
    }

    /// An error of this database's client, with its name and place.
    pub fn error(&self, source: mongodb::error::Error) -> DatabaseError {
        DatabaseError::Mongo { database: self.database.clone(), place: self.place(), source: Box::new(source) }
    }
}

/// The driver's own complaint speaks of its features.
fn mechanism(url: &str) -> Result<(), String> {
    let options = url.split_once('?').map_or("", |(_, options)| options);
    let said = options.split('&').filter_map(|option| option.split_once('='));
    let mut said = said.filter(|(key, _)| key.eq_ignore_ascii_case("authMechanism")).map(|(_, value)| value);
    match said.find(|value| !MECHANISMS.contains(value)) {
        Some(_) => Err(format!("authMechanism is one of {}; without it the server chooses", MECHANISMS.join(", "))),
        None => Ok(()),
    }
}

/// What options say together, and what the driver would find out only at its first connection or write.
fn together(parsed: &ConnectionString) -> Result<(), String> {
    let several = matches!(&parsed.host_info, HostInfo::HostIdentifiers(hosts) if hosts.len() > 1);
    let (direct, balanced) = (parsed.direct_connection == Some(true), parsed.load_balanced == Some(true));
    if let Some(write_concern) = &parsed.write_concern
        && matches!(write_concern.w, Some(Acknowledgment::Nodes(0)))
    {
        return Err("w=0 lets nobody know whether anything was written: leave w out, or write w=majority".to_owned());
    }
    if direct && several {
        return Err(
            "directConnection=true goes with one host: name one, or leave it out and write replicaSet=NAME".to_owned()
        );
    }
    if balanced && (several || direct || parsed.replica_set.is_some()) {
        return Err(
            "loadBalanced=true goes with one host, without directConnection and replicaSet: leave one out".to_owned()
        );
    }
    if parsed.max_pool_size == Some(0) || parsed.max_connecting == Some(0) {
        return Err("maxPoolSize and maxConnecting are 1 or more: leave them out".to_owned());
    }
    Ok(())
}

impl fmt::Debug for MongoSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MongoSettings").field("place", &self.place()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_place_and_the_debug_form_hold_no_credentials() {
        let url = "mongodb://user:hunter2@a:27017,b:27018/plant?authSource=admin";
        let settings = MongoSettings::from_url("genims_production", url).expect("a good URL");
        assert_eq!(settings.place(), "a:27017,b:27018/plant");
        assert!(!format!("{settings:?}").contains("hunter2"));
    }

    #[test]
    fn a_url_without_a_database_means_the_registry_s() {
        for url in ["mongodb://h:1", "mongodb://h:1/", "mongodb://h:1/admin", "mongodb://h:1/?tls=true"] {
            let settings = MongoSettings::from_url("genims_production", url).expect("a good URL");
            assert_eq!(settings.database_name(), "genims_production", "{url}");
        }
        assert!(MongoSettings::from_url("x", "postgresql://h").is_err());
    }

    #[test]
    fn an_srv_name_stands_alone_and_everything_odd_is_refused_unseen() {
        let srv = MongoSettings::from_url("d", "mongodb+srv://u:p@cluster.example.net/plant").expect("a good URL");
        assert_eq!(srv.place(), "cluster.example.net/plant");
        for url in ["mongodb+srv://h.example.net:27017/", "mongodb+srv://a.example.net,b.example.net/"] {
            assert!(MongoSettings::from_url("d", url).expect_err(url).to_string().contains("srv"), "{url}");
        }
        for url in
            ["mongodb://u:hun#ter@h/", "mongodb://u:hun@ter@h/", "mongodb://u:hun%ter@h/", "mongodb://u:hun/ter@h/"]
        {
            let error = MongoSettings::from_url("d", url).expect_err(url).to_string();
            assert!(error.contains('%') && !error.contains("hun"), "{error}");
        }
        let socket = MongoSettings::from_url("d", "mongodb://%2Ftmp%2Fmongodb-27017.sock/plant").expect("a socket");
        assert_eq!(socket.database_name(), "plant");
    }

    #[test]
    fn what_the_driver_would_find_out_late_is_refused_with_what_to_write() {
        for (url, remedy) in [
            ("mongodb://h/?w=0", "w=majority"),
            ("mongodb://u:hunter@h/?authMechanism=SCRAM-SHA-257", "SCRAM-SHA-256"),
            ("mongodb://u:hunter@h/?authMechanism=MONGODB-AWS", "SCRAM-SHA-256"),
            ("mongodb://u:hunter@h/?authmechanism=nothing", "SCRAM-SHA-256"),
            ("mongodb://a,b/?directConnection=true", "replicaSet=NAME"),
            ("mongodb://a,b/?loadBalanced=true", "one host"),
            ("mongodb://a/?loadBalanced=true&replicaSet=rs", "replicaSet"),
            ("mongodb://a/?maxPoolSize=0", "leave them out"),
        ] {
            let error = MongoSettings::from_url("d", url).expect_err(url).to_string();
            assert!(error.contains(remedy) && !error.contains("hunter"), "{url}: {error}");
        }
        for url in [
            "mongodb://h/?w=1",
            "mongodb://a,b/?replicaSet=rs&w=majority",
            "mongodb://a/?directConnection=true",
            "mongodb://u:p@h/?authMechanism=SCRAM-SHA-1",
        ] {
            MongoSettings::from_url("d", url).expect(url).check().expect(url);
        }
    }

    #[test]
    fn the_files_of_a_url_are_looked_at() {
        let nothing = tempfile::NamedTempFile::new().expect("a file");
        let empty = nothing.path().display().to_string();
        for option in ["tlsCAFile=/nonexistent/ca.pem", "tlsCertificateKeyFile=/nonexistent/own.pem"] {
            let settings =
                MongoSettings::from_url("d", &format!("mongodb://h/?tls=true&{option}")).expect("a good URL");
            let error = settings.check().expect_err(option).to_string();
            assert!(error.contains("/nonexistent/") && error.contains("PEM file"), "{error}");
        }
        let settings = MongoSettings::from_url("d", &format!("mongodb://h/?tlsCAFile={empty}")).expect("a good URL");
        assert!(settings.check().expect_err("an empty file").to_string().contains("no certificate"));
    }

    #[test]
    fn tls_is_in_use_when_the_url_says_so() {
        let used = |url: &str| MongoSettings::from_url("d", url).expect("a good URL").uses_tls();
        assert!(used("mongodb://h/?authSource=admin&tls=true") && used("mongodb://h/?ssl=true"));
        assert!(used("mongodb+srv://h/") && !used("mongodb+srv://h/?tls=false"));
        assert!(!used("mongodb://h/") && !used("mongodb://tls=true@h/?authSource=admin"));
    }

    #[test]
    fn the_password_may_come_from_a_variable() {
        let registry = crate::Registry::load(None).expect("the embedded registry");
        let database = registry.get("genims_production").expect("in the registry");
        let environment =
            Environment::from_pairs([("GENIMS_MONGODB_URL", "mongodb://u@h:1"), ("GENIMS_MONGODB_PASSWORD", "pw")]);
        let settings = MongoSettings::from_environment(database, &environment).expect("configured");
        assert_eq!(settings.password.as_deref(), Some("pw"));
        assert!(MongoSettings::from_environment(database, &Environment::default()).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused_but_never_panics(text in "(mongodb://)?\\PC{0,60}") {
            if let Ok(settings) = MongoSettings::from_url("d", &text) {
                let _ = settings.place();
            }
        }
    }
}
