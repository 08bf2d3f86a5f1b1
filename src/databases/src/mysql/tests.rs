//! URLs of MySQL databases, and what is made of them.

use super::*;
use crate::Registry;
use proptest::prelude::*;

fn settings(pairs: &[(&str, &str)]) -> Result<MysqlSettings, DatabaseError> {
    let registry = Registry::load(None).expect("the embedded registry");
    let database = registry.get("genims_audit_db").expect("in the registry");
    MysqlSettings::from_environment(database, &Environment::from_pairs(pairs.iter().copied()))
}

#[test]
fn the_own_url_wins_then_the_server_s() {
    let own = ("GENIMS_AUDIT_DB_URL", "mysql://audit:pw@own:1111/evidence");
    let server = ("GENIMS_MYSQL_URL", "mysql://all:pw@server:2222/");
    let place = |pairs: &[(&str, &str)]| settings(pairs).expect("configured").place();
    assert_eq!(place(&[own, server]), "own:1111/evidence");
    assert_eq!(place(&[server]), "server:2222/genims_audit_db");
    let error = settings(&[]).expect_err("nothing is set").to_string();
    assert!(error.contains("GENIMS_AUDIT_DB_URL") && error.contains("GENIMS_MYSQL_URL"), "{error}");
}

#[test]
fn tls_options_are_understood_and_unknown_ones_refused_without_being_shown() {
    let url = "mysql://u@h/d?ssl-mode=VERIFY_IDENTITY&ssl-ca=%2Fetc%2Fmy%20ca.pem";
    let parsed = MysqlSettings::from_url("d", url).expect("a good URL");
    assert_eq!(parsed.ssl_mode, SslMode::VerifyIdentity);
    assert_eq!(parsed.roots, Some(Roots::File("/etc/my ca.pem".into())));
    assert_eq!(MysqlSettings::from_url("d", "mysql://h").expect("good").ssl_mode, SslMode::Preferred);
    assert_eq!(MysqlSettings::from_url("d", "mysql://h?ssl-ca=x").expect("good").ssl_mode, SslMode::VerifyCa);
    let error = MysqlSettings::from_url("d", "mysql://u:se?cret@h/d").expect_err("an unescaped ?");
    assert!(!error.to_string().contains("cret@"), "{error}");
    assert!(MysqlSettings::from_url("d", "mysql://h/d?ssl-mode=sometimes").is_err());
    assert!(MysqlSettings::from_url("d", "postgresql://h/d").is_err());
    let without_root = MysqlSettings::from_url("d", "mysql://h/d?ssl-mode=VERIFY_CA").expect("good").tls();
    assert!(without_root.expect_err("no root").to_string().contains("ssl-ca"));
    let identity = MysqlSettings::from_url("d", "mysql://h/d?ssl-mode=VERIFY_IDENTITY").expect("good");
    assert_eq!(identity.roots, Some(Roots::System));
    let weak = MysqlSettings::from_url("d", "mysql://h/d?ssl-mode=REQUIRED&ssl-ca=system").expect_err("weak");
    assert!(weak.to_string().contains("VERIFY_IDENTITY"), "{weak}");
    let missing = MysqlSettings::from_url("d", "mysql://h/d?ssl-ca=/nonexistent/ca.pem").expect("good").tls();
    assert!(missing.expect_err("no file").to_string().contains("/nonexistent/ca.pem"));
}

#[test]
fn a_unix_socket_is_taken_and_a_list_of_hosts_refused() {
    let parsed = MysqlSettings::from_url("d", "mysql://u@localhost/x?socket=/run/mysqld/mysqld.sock").expect("good");
    assert_eq!((parsed.place().as_str(), parsed.ssl_mode), ("/run/mysqld/mysqld.sock/x", SslMode::Disabled));
    let error = MysqlSettings::from_url("d", "mysql://u@a:0/x").expect_err("no port").to_string();
    assert!(error.contains("1 to 65535"), "{error}");
    let error = MysqlSettings::from_url("d", "mysql://u@a:1,b:2/x").expect_err("two hosts").to_string();
    assert!(error.contains("several hosts: write one"), "{error}");
}

#[test]
fn other_programs_reach_the_server_no_less_safely() {
    let options = |url: &str| MysqlSettings::from_url("d", url).expect("a good URL").client_options();
    let there =
        |url: &str| options(url).expect("it can be reached").iter().map(|(_, text)| text.clone()).collect::<Vec<_>>();
    assert_eq!(there("mysql://u@h:33/x?ssl-mode=REQUIRED"), ["h", "33"]);
    assert_eq!(there("mysql://u@localhost/x"), ["127.0.0.1", "3306"]);
    for (url, cause) in [
        ("mysql://u@localhost/x?socket=/run/my.sock", "/run/my.sock"),
        ("mysql://u@h/x?ssl-ca=%2Fca.pem", "ssl-mode=REQUIRED"),
        ("mysql://u@h/x?ssl-mode=VERIFY_IDENTITY", "ssl-mode=REQUIRED"),
    ] {
        let error = options(url).expect_err(url).to_string();
        assert!(error.contains(cause), "{error}");
    }
    let secured = |url: &str| MysqlSettings::from_url("d", url).expect("a good URL").requires_tls();
    assert!(secured("mysql://u@h/x?ssl-mode=REQUIRED") && !secured("mysql://u@h/x"));
}

#[test]
fn a_password_comes_from_a_file_and_is_never_shown() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "hunter2\n").expect("written");
    let path = file.path().display().to_string();
    let url = ("GENIMS_MYSQL_URL", "mysql://u@h");
    let parsed = settings(&[url, ("GENIMS_AUDIT_DB_PASSWORD_FILE", &path), ("MYSQL_PWD", "other")]);
    let parsed = parsed.expect("configured");
    assert_eq!(parsed.password.as_deref(), Some("hunter2"));
    assert!(!format!("{parsed:?}").contains("hunter2"));
    let in_url = MysqlSettings::from_url("d", "mysql://u:hunter%402@h/d").expect("good");
    assert_eq!(in_url.password.as_deref(), Some("hunter@2"));
    assert!(!format!("{in_url:?}").contains("hunter"));
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused_but_never_panics(text in "(mysql://)?\\PC{0,60}") {
        let _ = MysqlSettings::from_url("d", &text);
    }

    #[test]
    fn an_error_never_shows_the_password(password in "[a-z0-9?&#@:/]{8,20}") {
        let url = format!("mysql://user:{password}@host/db?nonsense=1");
        if let Err(error) = MysqlSettings::from_url("d", &url) {
            prop_assert!(!error.to_string().contains(&password));
        }
    }
}
