//! One statement over many rows: whole, or so that what PostgreSQL refuses is found and set aside.
//!
//! By halving inside savepoints: one bad row among n costs about 3n rows written and 2 log2(n) savepoints, n bad rows 2n
//! savepoints. What is too much for one statement (time, locks) is halved likewise.

use crate::error::{SinkError, answered, answered_within};
use crate::postgres::copy::{Copied, EncodeRows, Refused, copy, refusal};
use bytes::BytesMut;
use std::future::Future;
use std::ops::Range;
use std::time::Duration;
use tokio_postgres::error::{DbError, SqlState};
use tokio_postgres::{Error, Statement, Transaction};

/// How a batch is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchMode {
    /// One statement for all rows: the first refused one fails the batch.
    Whole,
    /// Refused rows are found and set aside.
    Isolating,
}

/// A statement that can be run for any range of its rows.
pub trait Rowwise: Send {
    fn rows(&self) -> usize;
    fn run(
        &mut self,
        transaction: &Transaction<'_>,
        range: Range<usize>,
    ) -> impl Future<Output = Result<Copied, SinkError>> + Send;
    /// The refusal, when it is the row's own fault.
    fn refuses<'e>(&self, error: &'e Error) -> Option<&'e DbError> {
        refusal(error)
    }
    /// Row `index` in a form that can be replayed.
    fn refused(&self, index: usize) -> Refused;
}

/// Runs `work` for all its rows; rows refused are added to `refused` with their index.
pub async fn run<W: Rowwise>(
    transaction: &Transaction<'_>,
    mode: BatchMode,
    work: &mut W,
    refused: &mut Vec<(usize, Refused)>,
) -> Result<Copied, SinkError> {
    let rows = work.rows();
    match mode {
        _ if rows == 0 => Ok(Copied::default()),
        BatchMode::Whole => work.run(transaction, 0..rows).await,
        BatchMode::Isolating => isolating(transaction, work, refused).await,
    }
}

async fn isolating<W: Rowwise>(
    transaction: &Transaction<'_>,
    work: &mut W,
    refused: &mut Vec<(usize, Refused)>,
) -> Result<Copied, SinkError> {
    let mut done = Copied::default();
    let mut open = Vec::from([(0, work.rows())]);
    while let Some((start, end)) = open.pop() {
        answered(transaction.batch_execute("SAVEPOINT piece")).await?;
        let error = match work.run(transaction, start..end).await {
            Ok(piece) => {
                answered(transaction.batch_execute("RELEASE SAVEPOINT piece")).await?;
                done.rows += piece.rows;
                done.bytes += piece.bytes;
                continue;
            }
            Err(error) => error,
        };
        let SinkError::Postgres(cause) = &error else { return Err(error) };
        let halving_helps = work.refuses(cause).is_some() || error.is_too_much();
        let Some(db) = cause.as_db_error().filter(|_| halving_helps) else { return Err(error) };
        if end - start <= 1 && !is_final(db) {
            return Err(error);
        }
        answered(transaction.batch_execute("ROLLBACK TO SAVEPOINT piece")).await?;
        if end - start <= 1 {
            refused.push((start, work.refused(start).because(db)));
            continue;
        }
        let middle = start.midpoint(end);
        open.push((middle, end));
        open.push((start, middle));
    }
    Ok(done)
}

/// Whether a row that was refused alone is to be set aside. What ran out of time, memory or locks is not: that is not the
/// row's own fault, and passes.
fn is_final(db: &DbError) -> bool {
    !matches!(*db.code(), SqlState::QUERY_CANCELED | SqlState::OUT_OF_MEMORY | SqlState::CONFIGURATION_LIMIT_EXCEEDED)
}

/// See [`refusal`].
pub(crate) fn refusal_in(error: &SinkError) -> Option<&DbError> {
    match error {
        SinkError::Postgres(error) => refusal(error),
        _ => None,
    }
}

/// COPY as such a statement.
pub struct CopyRows<'a> {
    pub statement: &'a Statement,
    pub rows: &'a mut dyn EncodeRows,
    pub buffer: &'a mut BytesMut,
    /// How long the server may take for it.
    pub patience: Duration,
}

impl Rowwise for CopyRows<'_> {
    fn rows(&self) -> usize {
        self.rows.rows()
    }

    async fn run(&mut self, transaction: &Transaction<'_>, range: Range<usize>) -> Result<Copied, SinkError> {
        answered_within(self.patience, copy(transaction, self.statement, self.rows, range, self.buffer)).await
    }

    fn refused(&self, index: usize) -> Refused {
        self.rows.refused(index)
    }
}

/// Whether PostgreSQL takes one statement of which there is only one; its refusal is answered, not failed with.
pub async fn alone(
    transaction: &Transaction<'_>,
    work: impl Future<Output = Result<(), SinkError>>,
) -> Result<Option<SinkError>, SinkError> {
    answered(transaction.batch_execute("SAVEPOINT alone")).await?;
    match work.await {
        Ok(()) => {
            answered(transaction.batch_execute("RELEASE SAVEPOINT alone")).await?;
            Ok(None)
        }
        Err(error) if refusal_in(&error).is_some() => {
            answered(transaction.batch_execute("ROLLBACK TO SAVEPOINT alone")).await?;
            Ok(Some(error))
        }
        Err(error) => Err(error),
    }
}
