//! Runs, letters, and what the accounts are told of them.

use super::*;
use genims_model::Group;
use parking_lot::Mutex;

fn row(table: &str, upsert: bool, values: &str) -> Row {
    Row {
        source: 1,
        client: "erp".to_owned(),
        database: "db".to_owned(),
        table: table.to_owned(),
        upsert,
        key: vec!["id".to_owned()],
        values: values.to_owned(),
        ..Row::default()
    }
}

fn sizes(rows: &[Row], rows_max: usize) -> Vec<usize> {
    let rows: Vec<(u64, &Row)> = (0..).zip(rows).collect();
    runs(&rows, rows_max).iter().map(|run| run.rows.len()).collect()
}

#[test]
fn a_run_holds_what_one_statement_can_write() {
    let one = |id: u32| row("a", false, &format!("{{\"id\":{id},\"x\":1}}"));
    assert_eq!(sizes(&[one(1), one(2), one(3)], 2), [2, 1]);
    let other_columns = row("a", false, "{\"id\":4}");
    assert_eq!(sizes(&[one(1), other_columns, one(2)], 9), [1, 1, 1]);
    assert_eq!(sizes(&[one(1), row("b", false, "{\"id\":1,\"x\":1}"), one(2)], 9), [1, 1, 1]);
    // The order of columns is no difference.
    assert_eq!(sizes(&[one(1), row("a", false, "{\"x\":1,\"id\":2}")], 9), [2]);
}

#[test]
fn a_row_is_changed_once_in_a_statement() {
    let change = |id: u32, x: u32| row("a", true, &format!("{{\"id\":{id},\"x\":{x}}}"));
    assert_eq!(sizes(&[change(1, 1), change(2, 1), change(1, 2), change(2, 2)], 9), [2, 2]);
}

#[derive(Default)]
struct Kept(Mutex<Vec<(DeadLetter, Mark)>>);

impl Aside for Kept {
    fn set_aside(&self, letters: Vec<DeadLetter>, mark: Mark) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.0.lock().extend(letters.into_iter().map(|letter| (letter, mark.clone())));
        Box::pin(async {})
    }
}

fn batch(first_offset: u64, rows: Vec<Row>) -> Batch {
    let mut batch = Batch::default();
    batch.push(Arc::new(Group { first_offset, rows, ..Group::default() }));
    batch
}

fn refused(log_offset: u64, row: &Row) -> RefusedRow<'_> {
    let detail = "duplicate".to_owned();
    RefusedRow { log_offset, row, code: "23505".to_owned(), column: Some("id".to_owned()), detail }
}

#[tokio::test]
async fn a_refused_row_has_one_letter_and_is_not_written_again() {
    let kept = Arc::new(Kept::default());
    // An earlier run made letters up to here.
    let desk = RowDesk::new("db", Uuid::nil(), 11, kept.clone());
    let elsewhere = Row { database: "other".to_owned(), ..row("a", false, "{\"id\":9}") };
    let rows =
        vec![row("a", false, "{\"id\":1}"), row("a", true, "{\"id\":2}"), elsewhere, row("a", false, "{\"id\":3}")];
    let batch = batch(10, rows);
    let waiting = desk.waiting(&batch);
    assert_eq!(waiting.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), [10, 11, 13]);
    desk.set_aside(vec![refused(10, waiting[0].1), refused(11, waiting[1].1)]).await;
    let (letter, mark) = kept.0.lock().pop().unwrap();
    assert!(kept.0.lock().is_empty(), "the first one has its letter from before");
    assert_eq!(letter.detail, "db.a: column id: duplicate (23505)");
    assert_eq!(
        (letter.topic.as_str(), letter.payload.as_slice()),
        ("genims/v1/rows/db/a", &b"{\"upsert\":true,\"rows\":[{\"id\":2}]}"[..])
    );
    assert_eq!((mark.client.as_str(), mark.sequence), ("log/rows/00000000-0000-0000-0000-000000000000/db", 12));
    let mut committed = Committed::default();
    desk.report(&batch, &mut committed);
    assert_eq!((committed.refused, committed.refused_before), (vec![(11, 1)], vec![(10, 1)]));
    assert_eq!(desk.waiting(&batch).len(), 1);
}
