//! Groups on their way out: readers that lag, receipts, a failing disk.

use super::*;

async fn read_all(mut reader: Reader, until: u64, pause_each: u64) -> Vec<Arc<Group>> {
    let mut groups = Vec::new();
    while reader.position() < until {
        let group = reader.next().await.unwrap();
        groups.push(group);
        if pause_each > 0 && (groups.len() as u64).is_multiple_of(pause_each) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    groups
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_lag_and_catch_up_see_every_record_once() {
    let directory = tempfile::tempdir().unwrap();
    let tight = SpoolOptions { memory_bytes: 20_000, max_bytes: 16 << 20, ..options(&directory) };
    let (mut appender, spool, _) = open(&tight).unwrap();
    spool.register(&Consumer::hold("postgres")).unwrap();
    const GROUPS: u64 = 400;
    let until = GROUPS * 30;
    // More than memory holds, so that both readers begin on the disk however fast they are.
    for salt in 0..GROUPS / 2 {
        appender.append(&mut portion(30, salt * 60)).unwrap();
    }
    let lagging = tokio::spawn(read_all(spool.reader(0).unwrap(), until, 7));
    let eager = tokio::spawn(read_all(spool.reader(0).unwrap(), until, 0));
    let appending = tokio::task::spawn_blocking(move || {
        for salt in GROUPS / 2..GROUPS {
            appender.append(&mut portion(30, salt * 60)).unwrap();
        }
    });
    for groups in [lagging.await.unwrap(), eager.await.unwrap()] {
        let mut next = 0;
        for group in groups {
            assert_eq!(group.first_offset, next);
            assert_eq!(group.readings, portion(30, next * 2).readings);
            next = group.next_offset();
        }
        assert_eq!(next, until);
    }
    appending.await.unwrap();
    let metrics = spool.metrics();
    assert!(metrics.groups_read_from_disk.load(Ordering::Relaxed) > 0, "the disk was read");
    assert!(metrics.groups_read_from_memory.load(Ordering::Relaxed) > 0, "memory was read");
}

#[tokio::test]
async fn a_waiting_reader_learns_that_the_spool_closed() {
    let directory = tempfile::tempdir().unwrap();
    let (_appender, spool, _) = open(&options(&directory)).unwrap();
    let mut reader = spool.reader(0).unwrap();
    let waiting = tokio::spawn(async move { reader.next().await });
    tokio::time::sleep(Duration::from_millis(20)).await;
    spool.close().unwrap();
    assert!(matches!(waiting.await.unwrap(), Err(SpoolError::Closed)));
}

fn receipt(on_commit: bool) -> Receipt {
    Receipt::new(1, on_commit, Arc::new(Notify::new()))
}

#[test]
fn receipts_settle_after_the_sync_or_after_the_commit_as_they_ask() {
    let directory = tempfile::tempdir().unwrap();
    let (appender, spool, _) = open(&options(&directory)).unwrap();
    spool.register(&Consumer::hold("postgres").settling()).unwrap();
    let (portions, waiting) = writer::channel();
    let thread = writer::start(appender, waiting).unwrap();
    let (durable, committed, bare) = (receipt(false), receipt(true), receipt(false));
    let receipts = vec![durable.clone(), committed.clone()];
    portions.blocking_send(Portion { receipts, ..portion(5, 1) }).unwrap();
    portions.blocking_send(Portion { receipts: vec![bare.clone()], ..Portion::default() }).unwrap();
    eventually("the sync", || durable.is_settled() && bare.is_settled());
    assert_eq!(spool.next_offset(), 5);
    assert!(!committed.is_settled());
    spool.save_cursor("postgres", 4).unwrap();
    assert!(!committed.is_settled());
    spool.save_cursor("postgres", 5).unwrap();
    assert!(committed.is_settled());
    assert_eq!(spool.metrics().receive_to_durable_us().len(), 5);
    drop(portions);
    thread.join().unwrap().unwrap();
}

#[test]
fn a_failed_sync_stops_the_spool_and_settles_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let disk = FakeDisk::new(2);
    let (appender, spool, _) = open_on(Arc::new(disk.clone()), &options(&directory)).unwrap();
    let mut reader = spool.reader(0).unwrap();
    let (portions, waiting) = writer::channel();
    disk.fail_syncs(true);
    let thread = writer::start(appender, waiting).unwrap();
    let receipt = receipt(false);
    portions.blocking_send(Portion { receipts: vec![receipt.clone()], ..portion(5, 1) }).unwrap();
    assert!(matches!(thread.join().unwrap(), Err(SpoolError::Io { action: "sync", .. })));
    disk.fail_syncs(false);
    assert!(!receipt.is_settled());
    assert!(spool.failure().is_some());
    assert!(matches!(reader.try_next(), Err(SpoolError::Stopped(_))), "what is not durable is not shown");
    assert!(portions.blocking_send(portion(1, 1)).is_err(), "shards notice");
}

#[test]
fn many_senders_share_few_syncs() {
    let directory = tempfile::tempdir().unwrap();
    let (appender, spool, _) = open(&options(&directory)).unwrap();
    let (portions, waiting) = writer::channel();
    let thread = writer::start(appender, waiting).unwrap();
    let receipts: Vec<Receipt> = (0..500).map(|_| receipt(false)).collect();
    for (salt, receipt) in receipts.iter().enumerate() {
        portions.blocking_send(Portion { receipts: vec![receipt.clone()], ..portion(1, salt as u64) }).unwrap();
    }
    drop(portions);
    thread.join().unwrap().unwrap();
    assert!(receipts.iter().all(Receipt::is_settled));
    assert_eq!(spool.next_offset(), 500);
    assert!(spool.metrics().syncs.load(Ordering::Relaxed) < 250);
}
