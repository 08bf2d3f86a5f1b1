//! What can go wrong with a job. Messages name the job, the cause and the remedy.

use genims_databases::DatabaseError;

#[derive(Debug, thiserror::Error)]
pub enum EtlError {
    #[error(transparent)]
    Database(#[from] DatabaseError),

    #[error("{file}: {cause}; config/etl/README.md describes the form")]
    File { file: String, cause: String },

    #[error("there is no job {name}; `genims etl list` names them all: {known}")]
    NoSuchJob { name: String, known: String },

    #[error("{database} has no bookkeeping of jobs; run `genims provision`")]
    NoBookkeeping { database: String },

    #[error("{database} has no collection {collection}; run `genims provision`")]
    NoCollection { database: String, collection: String },

    #[error("job {job} is under way elsewhere; wait for it: `genims etl status` shows it")]
    Busy { job: String },

    #[error("job {job} lost its lease in {database}; nothing of this group of days was stored; run it again")]
    LeaseLost { job: String, database: String },

    #[error(
        "job {job}: another run took over what this one was bringing to its place, for this one had lost its lease; that run \
         brings it there: look at `genims etl status`, and run the job again if none succeeded since"
    )]
    TakenOver { job: String },

    #[error(
        "{what}: {source}; the next run computes these days anew, and until then some of their documents are missing: look at \
         the job's key and SQL in config/etl"
    )]
    Refused { what: String, source: DatabaseError },

    #[error("{what}: {source}; look at its SQL in config/etl")]
    Statement { what: String, source: DatabaseError },

    #[error("{what}: {cause}; what does not fit the staging table must be bent in the job's SQL")]
    Loading { what: String, cause: String },

    #[error(
        "job {job} does not agree with its sources from {first} to {last}: {says}: {differences}; nothing was stored; \
         mend its SQL in config/etl, or the rows that it names"
    )]
    Disagrees { job: String, first: String, last: String, says: String, differences: String },

    #[error("job {job} did not end within {minutes} min; look for locks in the target and for the load of the sources")]
    TooLong { job: String, minutes: u64 },

    #[error("{from} to {to} is no span of days; give --from before --to, not more than {days_max} days apart")]
    BadSpan { from: String, to: String, days_max: i64 },
}
