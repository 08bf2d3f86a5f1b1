//! What goes wrong with a seeding. Every message names the place, the cause and, where it is not plain, the remedy.

use genims_databases::DatabaseError;

#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    #[error(transparent)]
    Database(#[from] DatabaseError),

    #[error("config/seed: {cause}")]
    Specs { cause: String },

    #[error("table {table}: {source}")]
    Table { table: String, source: DatabaseError },

    #[error(
        "{database}.{table} holds rows that no seeding wrote; nothing was touched: seed an empty database, or leave it out"
    )]
    NotEmpty { database: String, table: String },

    #[error("{database} was seeded with {found}, now {wanted} is asked for: give the same, or an empty database")]
    SeededOtherwise { database: String, found: String, wanted: String },

    #[error("{database}: {cause}; {remedy}")]
    History { database: String, cause: String, remedy: &'static str },

    #[error("{database}: {source}")]
    Store { database: String, source: Box<genims_stores::SinkError> },

    #[error("the plant cannot be made: {cause}")]
    PlantSize { cause: String },

    #[error("the mapping {place}: {cause}")]
    Mapping { place: String, cause: String },

    #[error("a thread of the seeding ended: {0}; report it, and run it again: it goes on where it was")]
    Thread(#[from] tokio::task::JoinError),
}
