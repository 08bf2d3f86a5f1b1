//! The log's writer: production's append with its receipts, on a thread that runs only while the simulation waits for it.
//! A blocked append hands control back until it is told to look again, so that others can make room meanwhile.

use genims_log::file::simulated::FakeDisk;
use genims_log::file::{Appender, Spool, SpoolError, writer};
use genims_model::Portion;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

enum Event {
    Waits,
    Done(Result<(), SpoolError>),
}

pub(crate) struct Writer {
    portions: Option<Sender<Portion>>,
    go_on: Sender<()>,
    events: Receiver<Event>,
    thread: Option<JoinHandle<()>>,
    waits: bool,
}

impl Writer {
    /// `early`: receipts settle before anything is durable, which a run must notice.
    pub(crate) fn start(mut appender: Appender, spool: Spool, disk: &FakeDisk, early: bool) -> Self {
        let (portions, given) = channel::<Portion>();
        let (go_on, told) = channel();
        let (tell, events) = channel();
        let (told, waiting, log) = (Mutex::new(told), tell.clone(), spool.clone());
        let (router, room) = (std::thread::current().id(), disk.clone());
        disk.set_waiting(Some(Arc::new(move || {
            if std::thread::current().id() == router {
                // The router's append, which nothing here can go on beside: somebody makes room at once.
                room.set_capacity(None);
                room.set_full_at_sync(0.0);
                room.set_no_handles(false);
                return;
            }
            let _ = waiting.send(Event::Waits);
            if told.lock().unwrap_or_else(PoisonError::into_inner).recv().is_err() {
                // The run has failed: nobody makes room any more.
                let _ = log.close();
            }
        })));
        let thread = std::thread::spawn(move || {
            while let Ok(mut portion) = given.recv() {
                if early {
                    portion.receipts.drain(..).for_each(|receipt| receipt.settle_part());
                }
                let stored = writer::store(&mut appender, &spool, portion);
                let failed = stored.is_err();
                if tell.send(Event::Done(stored)).is_err() || failed {
                    return;
                }
            }
        });
        Self { portions: Some(portions), go_on, events, thread: Some(thread), waits: false }
    }

    /// An append is under way and waits for room.
    pub(crate) fn waits(&self) -> bool {
        self.waits
    }

    pub(crate) fn append(&mut self, portion: Portion) -> Result<(), SpoolError> {
        match &self.portions {
            Some(portions) if portions.send(portion).is_ok() => self.listen(),
            _ => Err(SpoolError::Closed),
        }
    }

    /// A waiting append looks again.
    pub(crate) fn look_again(&mut self) -> Result<(), SpoolError> {
        let _ = self.go_on.send(());
        self.listen()
    }

    fn listen(&mut self) -> Result<(), SpoolError> {
        match self.events.recv() {
            Ok(Event::Waits) => {
                self.waits = true;
                Ok(())
            }
            Ok(Event::Done(stored)) => {
                self.waits = false;
                stored
            }
            Err(_) => Err(SpoolError::Closed),
        }
    }

    /// The thread's end. The log is closed, or its disk dead, so that no append waits for ever.
    pub(crate) fn end(mut self, disk: &FakeDisk) {
        while self.waits {
            let _ = self.look_again();
        }
        self.portions = None;
        disk.set_waiting(None);
        if let Some(thread) = self.thread.take()
            && let Err(panic) = thread.join()
        {
            std::panic::resume_unwind(panic);
        }
    }
}
