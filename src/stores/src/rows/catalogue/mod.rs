//! What the door must know of a database's tables, read from its live catalogue.

mod mongo;
pub(super) mod mysql;
mod postgres;

use crate::error::SinkError;
use genims_databases::{MongoSettings, MysqlSettings, PostgresSettings};
use genims_rows::{Dialect, Schema};

/// Where a catalogue is.
#[derive(Clone)]
pub enum Source {
    Postgres(Box<PostgresSettings>),
    Mysql(MysqlSettings),
    Mongo(MongoSettings),
}

impl Source {
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Postgres(_) => Dialect::Postgres,
            Self::Mysql(_) => Dialect::Mysql,
            Self::Mongo(_) => Dialect::Mongo,
        }
    }

    /// Asks the database.
    pub async fn read(&self) -> Result<Schema, SinkError> {
        let connect = |error: genims_databases::DatabaseError| SinkError::Connect(Box::new(error));
        match self {
            Self::Postgres(settings) => postgres::read(&settings.connect().await.map_err(connect)?).await,
            Self::Mysql(settings) => {
                let mut connection = settings.connect().await.map_err(connect)?;
                let schema = mysql::read(&mut connection).await;
                genims_databases::mysql::disconnect(connection).await;
                schema
            }
            Self::Mongo(settings) => {
                let client = settings.client().await.map_err(connect)?;
                mongo::read(&client.database(settings.database_name())).await
            }
        }
    }
}
