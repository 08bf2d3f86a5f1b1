//! Connections to real servers: TLS as libpq means it, and errors that say what to do.

use crate::harness::Harness;
use genims_databases::{DatabaseError, PostgresSettings};
use genims_dev::Server;
use libtest_mimic::Trial;

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("databases::tls_is_verified_as_sslmode_says", tls_is_verified_as_sslmode_says),
        harness.trial("databases::errors_name_the_cause_and_the_remedy", errors_name_the_cause_and_the_remedy),
    ]
}

async fn encrypted(url: &str) -> Result<bool, DatabaseError> {
    let settings = PostgresSettings::from_url("test", url)?;
    let client = settings.connect().await?;
    let query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    client.query_one(query, &[]).await.map(|row| row.get(0)).map_err(|source| settings.error(source))
}

fn tls_is_verified_as_sslmode_says(harness: &'static Harness) {
    let stack = harness.stack();
    let ca = stack.ca_file().display().to_string();
    let foreign = rcgen::generate_simple_self_signed(vec!["other".to_owned()]).unwrap();
    let foreign_file = harness.folder("tls").join("foreign.pem");
    std::fs::write(&foreign_file, foreign.cert.pem()).unwrap();
    let foreign = foreign_file.display();
    let url = |options: &str| format!("{}?{options}", stack.postgres_url("postgres"));
    harness.block_on(async {
        assert!(!encrypted(&url("sslmode=disable")).await.unwrap());
        for options in [
            "sslmode=prefer".to_owned(),
            "sslmode=require".to_owned(),
            format!("sslmode=verify-ca&sslrootcert={ca}"),
            format!("sslmode=verify-full&sslrootcert={ca}"),
        ] {
            assert!(encrypted(&url(&options)).await.unwrap(), "{options}");
        }
        for mode in ["require", "verify-ca", "verify-full"] {
            let error = encrypted(&url(&format!("sslmode={mode}&sslrootcert={foreign}"))).await.unwrap_err();
            assert!(error.to_string().contains("sslrootcert"), "{error}");
            assert!(!error.is_transient(), "{error}");
        }
    });
}

fn errors_name_the_cause_and_the_remedy(harness: &'static Harness) {
    let stack = harness.stack();
    let port = stack.port(Server::Postgres);
    harness.block_on(async {
        let missing = encrypted(&stack.postgres_url("no_such_database")).await.unwrap_err();
        assert!(missing.to_string().contains("3D000") && missing.to_string().contains("genims provision"), "{missing}");
        let wrong = format!("postgresql://postgres:hunter2@127.0.0.1:{port}/postgres");
        let refused = encrypted(&wrong).await.unwrap_err();
        assert!(refused.to_string().contains("28P01") && refused.to_string().contains("password"), "{refused}");
        assert!(!refused.to_string().contains("hunter2") && !refused.is_transient(), "{refused}");
        let down = encrypted("postgresql://u@127.0.0.1:1/d").await.unwrap_err();
        assert!(down.to_string().contains("start the server") && down.is_transient(), "{down}");
    });
}
