//! What the audit trail has beside its tables, in `genims_internal`: seals over what was delivered, who signed which line of
//! the checklist, and views through which a writer that may only insert finds the end of a chain and the version of a record, and
//! nothing else.

use crate::checklist::signatures;
use genims_databases::{Engine, MysqlConnection, quoted};
use mysql_async::Error;
use mysql_async::prelude::Queryable;

/// One seal for each delivered batch, chained in themselves: the digests of all columns of its entries, in the order of the chains,
/// 32 bytes each. Seal 1 of a database is empty and says what was there before.
const SEALS: &str = "CREATE TABLE IF NOT EXISTS genims_internal.audit_seals (
    database_name VARCHAR(64) NOT NULL,
    seal BIGINT NOT NULL COMMENT 'from 1 without gaps',
    sealed_at DATETIME(6) NOT NULL,
    write_position BIGINT NOT NULL COMMENT 'last chain_position of system_audit_log, 0 before the first',
    write_hash CHAR(64) NOT NULL,
    write_digests LONGBLOB NOT NULL,
    change_position BIGINT NOT NULL COMMENT 'the same of data_change_audit',
    change_hash CHAR(64) NOT NULL,
    change_digests LONGBLOB NOT NULL,
    previous_hash CHAR(64) NOT NULL,
    seal_hash CHAR(64) NOT NULL,
    PRIMARY KEY (database_name, seal)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

/// Where the chains of a database begin after retention has deleted their oldest entries.
const CHECKPOINTS: &str = "CREATE TABLE IF NOT EXISTS genims_internal.audit_checkpoints (
    database_name VARCHAR(64) NOT NULL,
    pruned_at DATETIME(6) NOT NULL,
    write_position BIGINT NOT NULL COMMENT 'deleted up to here',
    write_hash CHAR(64) NOT NULL,
    change_position BIGINT NOT NULL,
    change_hash CHAR(64) NOT NULL,
    PRIMARY KEY (database_name, pruned_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

/// Name, table, columns.
const VIEWS: [(&str, &str, &str); 3] = [
    ("audit_writes", "system_audit_log", "audit_id, event_uid, database_name, chain_position, row_hash"),
    (
        "audit_changes",
        "data_change_audit",
        "event_uid, database_name, table_name, record_key, record_version, after_hash, chain_position, row_hash",
    ),
    ("audit_activities", "user_activity_log", "event_uid"),
];

/// In `genims_internal`, for the audit database of this name.
pub(super) async fn create(connection: &mut MysqlConnection, database: &str) -> Result<(), Error> {
    connection.query_drop(SEALS).await?;
    connection.query_drop(CHECKPOINTS).await?;
    connection.query_drop(signatures::TABLE).await?;
    let database = quoted(Engine::Mysql, database);
    for (name, table, columns) in VIEWS {
        let view = format!(
            "CREATE OR REPLACE ALGORITHM = MERGE SQL SECURITY DEFINER VIEW genims_internal.{name} AS SELECT {columns} FROM {database}.{table}"
        );
        connection.query_drop(view).await?;
    }
    Ok(())
}
