//! Ranks that are threads of one process and speak through channels.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use kiln_learner::{Collective, CollectiveError};

/// What a rank sends to another: bytes, or why it left.
type Message = Result<Vec<u8>, String>;

/// One rank of a world of threads.
///
/// Devices draw from a generator that is one a process: so a rank works only while it has the baton,
/// and hands it on where it waits for the others. What it draws between seeding a device and using it
/// is then its own.
#[derive(Debug)]
pub struct Rank {
    rank: usize,
    /// By rank; its own is not used.
    to: Vec<Sender<Message>>,
    from: Vec<Mutex<Receiver<Message>>>,
    baton: Arc<Baton>,
}

#[derive(Debug, Default)]
struct Baton {
    is_taken: Mutex<bool>,
    put_down: Condvar,
}

impl Baton {
    fn take(&self) {
        let taken = self.is_taken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = self
            .put_down
            .wait_while(taken, |is_taken| *is_taken)
            .unwrap_or_else(PoisonError::into_inner);
        *taken = true;
    }

    fn put_down(&self) {
        *self.is_taken.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.put_down.notify_one();
    }
}

/// Makes the ranks of a run, `count` of them, each for a thread of its own.
pub fn ranks(count: usize) -> Vec<Arc<Rank>> {
    let baton = Arc::new(Baton::default());
    let mut ends: Vec<(Vec<_>, Vec<_>)> = (0..count).map(|_| Default::default()).collect();
    for from in 0..count {
        for to in 0..count {
            let (sender, receiver) = channel();
            ends[from].0.push(sender);
            ends[to].1.push(Mutex::new(receiver));
        }
    }
    let rank = |(rank, (to, from))| {
        let baton = baton.clone();
        Arc::new(Rank {
            rank,
            to,
            from,
            baton,
        })
    };
    ends.into_iter().enumerate().map(rank).collect()
}

impl Rank {
    /// Gives what `work` gives, which is done with the baton.
    pub fn work<T>(&self, work: impl FnOnce() -> T) -> T {
        self.baton.take();
        let done = work();
        self.baton.put_down();
        done
    }

    fn send(&self, message: &Message) {
        for (_, to) in self.others(&self.to) {
            // Whoever is gone has said so.
            let _sent = to.send(message.clone());
        }
    }

    fn receive(&self) -> Result<Vec<(usize, Vec<u8>)>, CollectiveError> {
        let receive = |(rank, from): (usize, &Mutex<Receiver<Message>>)| {
            let from = from.lock().unwrap_or_else(PoisonError::into_inner);
            match from.recv() {
                Ok(Ok(bytes)) => Ok((rank, bytes)),
                Ok(Err(reason)) => Err(CollectiveError::new(rank, reason)),
                Err(_) => Err(CollectiveError::new(rank, "is gone")),
            }
        };
        self.others(&self.from).map(receive).collect()
    }

    fn others<'a, T>(&'a self, ends: &'a [T]) -> impl Iterator<Item = (usize, &'a T)> {
        let ends = ends.iter().enumerate();
        ends.filter(|(rank, _)| *rank != self.rank)
    }
}

impl Collective for Rank {
    fn rank(&self) -> usize {
        self.rank
    }

    fn ranks(&self) -> usize {
        self.to.len()
    }

    fn all_gather(&self, mine: &[u8]) -> Result<Vec<Vec<u8>>, CollectiveError> {
        self.send(&Ok(mine.to_vec()));
        self.baton.put_down();
        let received = self.receive();
        self.baton.take();
        let mut all: Vec<Vec<u8>> = received?.into_iter().map(|(_, bytes)| bytes).collect();
        all.insert(self.rank, mine.to_vec());
        Ok(all)
    }

    fn leave(&self, reason: &str) {
        self.send(&Err(reason.to_owned()));
    }
}
