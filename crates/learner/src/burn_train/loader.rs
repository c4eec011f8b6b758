//! A batch source as burn-train's data loader.

use std::sync::Arc;

use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::tensor::Device;
use kiln_text::stream::Prefetch;
use kiln_text::{BatchSource, HostBatch, TextError};

use crate::error::LearnError;

/// Micro-batches `start..end` of a source, built ahead by worker threads.
///
/// Batches stay on the host: an objective moves them to the device that runs them.
#[derive(Clone)]
pub(crate) struct Batches {
    source: Arc<dyn BatchSource>,
    start: u64,
    end: u64,
    threads: usize,
    ahead: usize,
}

impl Batches {
    /// Batches `start..end` of `source`, `ahead` of them built ahead by `threads` threads.
    pub(crate) fn new(
        source: Arc<dyn BatchSource>,
        start: u64,
        end: u64,
        threads: usize,
        ahead: usize,
    ) -> Self {
        Self {
            source,
            start,
            end,
            threads,
            ahead,
        }
    }
}

impl DataLoader<HostBatch> for Batches {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<HostBatch> + 'a> {
        Box::new(Iter {
            stream: Some(Prefetch::new(
                self.source.clone(),
                self.start,
                self.threads,
                self.ahead,
            )),
            given: 0,
            total: self.end.saturating_sub(self.start),
        })
    }

    fn num_items(&self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }

    fn to_device(&self, _: &Device) -> Arc<dyn DataLoader<HostBatch>> {
        Arc::new(self.clone())
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<HostBatch>> {
        Arc::new(Self {
            start: self.start + start as u64,
            end: (self.start + end as u64).min(self.end),
            ..self.clone()
        })
    }
}

/// The next `count` batches.
///
/// # Errors
/// If one of them can't be built, or there are no more.
pub(crate) fn next_batches(
    batches: &mut (dyn DataLoaderIterator<HostBatch> + '_),
    count: usize,
) -> Result<Vec<HostBatch>, LearnError> {
    let next = |_| match batches.next() {
        Some(Ok(batch)) => Ok(batch),
        Some(Err(error)) => Err(LearnError::Batch(error.to_string())),
        None => Err(LearnError::Batch(
            "the stream of batches ended early".into(),
        )),
    };
    (0..count).map(next).collect()
}

struct Iter {
    /// None once it could not be started and has said so.
    stream: Option<Result<Prefetch, TextError>>,
    given: u64,
    total: u64,
}

impl Iterator for Iter {
    type Item = Result<HostBatch, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.given >= self.total {
            return None;
        }
        match self.stream.take()? {
            Ok(mut stream) => {
                self.given += 1;
                let batch = stream.next_batch().map_err(DatasetError::new);
                self.stream = Some(Ok(stream));
                Some(batch)
            }
            Err(error) => Some(Err(DatasetError::new(error))),
        }
    }
}

impl DataLoaderIterator<HostBatch> for Iter {
    fn progress(&self) -> Progress {
        Progress::new(
            self.given as usize,
            self.total as usize,
            Some("batches".into()),
        )
    }
}
