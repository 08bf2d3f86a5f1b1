//! Runs, dead letters, and what the accounts are told of them.

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
struct Kept {
    dead_letters: Mutex<Vec<(u64, DeadLetter)>>,
    /// So many are kept, then the disk is full.
    room: Option<usize>,
}

impl Aside for Kept {
    fn keep(&self, dead_letters: Vec<(u64, DeadLetter)>) -> Result<(), Cause> {
        let room = self.room.unwrap_or(dead_letters.len());
        let is_full = room < dead_letters.len();
        self.dead_letters.lock().extend(dead_letters.into_iter().take(room));
        if is_full { Err("no room".into()) } else { Ok(()) }
    }

    fn offsets(&self) -> Vec<u64> {
        self.dead_letters.lock().iter().map(|(offset, _)| *offset).collect()
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

fn of(refused: Vec<RefusedRow<'_>>) -> Unwritten<'_> {
    Unwritten { refused, repeated: Vec::new() }
}

#[test]
fn a_row_that_was_sent_again_has_no_dead_letter_and_is_not_written_again() {
    let kept = Arc::new(Kept::default());
    let desk = RowDesk::new("db", kept.clone());
    let batch = batch(10, vec![row("a", false, "{\"id\":1}")]);
    desk.set_aside(Unwritten { refused: Vec::new(), repeated: vec![10] }).unwrap();
    let mut committed = Committed::default();
    desk.report(&batch, &mut committed);
    assert_eq!((committed.done_before, committed.refused.len()), (vec![(10, 1)], 0));
    assert!(desk.waiting(&batch).is_empty() && kept.offsets().is_empty());
}

#[test]
fn a_refused_row_has_one_dead_letter_and_is_not_written_again() {
    let kept = Arc::new(Kept::default());
    let elsewhere = Row { database: "other".to_owned(), ..row("a", false, "{\"id\":9}") };
    let rows =
        vec![row("a", false, "{\"id\":1}"), row("a", true, "{\"id\":2}"), elsewhere, row("a", false, "{\"id\":3}")];
    let batch = batch(10, rows);
    let offsets = |desk: &RowDesk| desk.waiting(&batch).iter().map(|(offset, _)| *offset).collect::<Vec<_>>();
    // An earlier run refused the first one.
    let before = RowDesk::new("db", kept.clone());
    let waiting = before.waiting(&batch);
    before.set_aside(of(vec![refused(10, waiting[0].1)])).unwrap();
    let desk = RowDesk::new("db", kept.clone());
    assert_eq!(offsets(&desk), [11, 13]);
    desk.set_aside(of(vec![refused(11, desk.waiting(&batch)[0].1)])).unwrap();
    let dead_letters = kept.dead_letters.lock();
    assert_eq!((dead_letters.len(), dead_letters[1].0), (2, 11));
    let dead_letter = &dead_letters[1].1;
    assert_eq!(dead_letter.detail, "db.a: column id: duplicate (23505)");
    assert_eq!(
        (dead_letter.topic.as_str(), dead_letter.payload.as_slice()),
        ("genims/v1/rows/db/a", &b"{\"upsert\":true,\"rows\":[{\"id\":2}]}"[..])
    );
    drop(dead_letters);
    let mut committed = Committed::default();
    desk.report(&batch, &mut committed);
    assert_eq!((committed.refused, committed.done_before), (vec![(11, 1)], vec![(10, 1)]));
    assert_eq!(offsets(&desk), [13]);
}

#[test]
fn a_dead_letter_that_was_kept_before_an_error_is_not_kept_again() {
    let kept = Arc::new(Kept { room: Some(1), ..Kept::default() });
    let batch = batch(10, vec![row("a", false, "{\"id\":1}"), row("a", false, "{\"id\":2}")]);
    let desk = RowDesk::new("db", kept.clone());
    let waiting = desk.waiting(&batch);
    let both = waiting.iter().map(|(offset, row)| refused(*offset, row)).collect();
    assert!(desk.set_aside(of(both)).is_err());
    let waiting = desk.waiting(&batch);
    assert_eq!(waiting.len(), 1, "the other one is tried again");
    desk.set_aside(of(vec![refused(11, waiting[0].1)])).unwrap();
    assert_eq!(kept.offsets(), [10, 11]);
}
