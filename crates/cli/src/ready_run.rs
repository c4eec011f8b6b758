//! A run that is about to be trained, as a new run and a resumed one hand it over.

use burn::tensor::Device;
use kiln_learner::{Resumption, RunFolder};
use kiln_tasks::RunSettings;
use kiln_tasks::architecture::Architecture;

use crate::console::Console;

/// A run to be trained, with everything checked.
pub(crate) struct ReadyRun<'a> {
    pub(crate) architecture: &'static dyn Architecture,
    pub(crate) run: &'a RunFolder,
    pub(crate) settings: &'a RunSettings,
    pub(crate) devices: Vec<Device>,
    pub(crate) dashboard: bool,
    pub(crate) json: bool,
    pub(crate) console: Console,
    /// Where the run goes on; none: it is a new one.
    pub(crate) resumption: Option<Resumption>,
}

impl ReadyRun<'_> {
    /// Whether something predicts words: everywhere but beside a lone discriminator.
    pub(crate) fn has_generator(&self) -> bool {
        let detection = self.settings.objective.detection();
        !detection.is_some_and(|settings| settings.uniform_generator)
    }
}
