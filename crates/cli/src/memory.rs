//! Whether a run fits into memory: said before it starts, and refused where it does not.

use std::fmt::Display;

use kiln_backend::{AvailableMemory, DeviceSpec, MemoryBound, Place, available_memory};
use kiln_learner::LearnError;
use kiln_tasks::memory::MemoryEstimate;
use kiln_tasks::{Architecture, RunSettings};

use crate::console::Console;
use crate::failure::Failure;
use crate::wording::{bytes, count};

/// From here on a size is beyond all machines, and told as such.
const MEASURABLE: f64 = 1e15;

/// The share of the addresses left by `ulimit -v` that memory can take: allocator and threads set
/// more aside than they use.
const OF_ADDRESSES: f64 = 0.6;

/// The share of the room that a proposal fills: estimates may be a fifth too low.
pub(crate) const PROPOSED: f64 = 0.8;

/// Tokens of a sequence that is worth proposing.
pub(crate) const SHORTEST: usize = 16;

/// What a run needs, and what there is.
pub(crate) struct Plan<'a> {
    architecture: &'static dyn Architecture,
    settings: &'a RunSettings,
    estimate: MemoryEstimate,
    /// None where the device's memory is not known: on a GPU, and where the system does not say.
    available: Option<AvailableMemory>,
}

impl<'a> Plan<'a> {
    /// Estimates a run's need.
    ///
    /// # Errors
    /// If the settings are none that can be trained with.
    pub(crate) fn new(
        architecture: &'static dyn Architecture,
        settings: &'a RunSettings,
        specs: &[DeviceSpec],
    ) -> Result<Self, LearnError> {
        Ok(Self {
            architecture,
            settings,
            estimate: architecture.footprint(settings)?.estimate(settings),
            available: available_to(specs),
        })
    }

    /// Refuses a run that does not fit.
    ///
    /// # Errors
    /// If it does not, with the largest batch that would.
    pub(crate) fn require_room(&self) -> Result<(), Failure> {
        match self.shortage(|available| self.shorter(available)) {
            Some(shortage) => Err(Failure::run(format_args!(
                "{shortage}; --no-memory-check starts all the same"
            ))),
            None => Ok(()),
        }
    }

    /// Says what is needed, as one of the lines before a run starts.
    pub(crate) fn tell(&self, console: Console) {
        let estimate = &self.estimate;
        let free = told_free(estimate, self.available);
        console.note(format_args!(
            "memory: about {} ({} parameters with gradients and moments, {} a batch of {} x \
             {}){free}",
            bytes(estimate.total() as u64),
            bytes(estimate.state as u64),
            bytes(estimate.activations as u64),
            count(self.settings.training.batch_size as u64),
            count(self.settings.data.seq_len as u64),
        ));
    }

    /// Warns of a run that may not fit: one that was started elsewhere is not refused, and has its
    /// model and its length.
    pub(crate) fn warn(&self, console: Console) {
        let elsewhere = |_| {
            "not even --batch-size 1 fits: free memory, or go on with it on another machine"
                .to_owned()
        };
        if let Some(shortage) = self.shortage(elsewhere) {
            console.note(format_args!("warning: {shortage}"));
        }
    }

    /// What is too little, and what would do, by `no_batch` where no batch does; none if there is
    /// enough.
    fn shortage(&self, no_batch: impl Fn(AvailableMemory) -> String) -> Option<String> {
        let available = self.available?;
        let need = self.estimate.total();
        if need <= room(available) {
            return None;
        }
        let settings = self.settings;
        let (batch_size, seq_len) = (settings.training.batch_size, settings.data.seq_len);
        let accumulate = match settings.training.accumulate {
            1 => String::new(),
            accumulate => format!(" --accumulate {accumulate}"),
        };
        let asked = format_args!("--batch-size {batch_size}{accumulate} --seq-len {seq_len} need");
        let remedy = match (self.largest_batch(available), self.accumulation(available)) {
            (0, 0) => no_batch(available),
            (0, accumulate) => format!("the largest that fits is --accumulate {accumulate}"),
            (largest, _) => self.smaller(largest, available),
        };
        Some(shortage(asked, need, available, &remedy))
    }

    /// The largest batch that fits, at most as large as the run's; 0: none does.
    fn largest_batch(&self, available: AvailableMemory) -> usize {
        let fits = |batch_size: usize| {
            let mut settings = self.settings.clone();
            settings.training.batch_size = batch_size;
            self.fits(&settings, available)
        };
        largest(self.settings.training.batch_size, fits)
    }

    /// The largest accumulation that fits: all of a step's batches lie ready; 0: none does.
    fn accumulation(&self, available: AvailableMemory) -> usize {
        largest(self.settings.training.accumulate, |accumulate| {
            let mut settings = self.settings.clone();
            settings.training.accumulate = accumulate;
            self.fits(&settings, available)
        })
    }

    fn fits(&self, settings: &RunSettings, available: AvailableMemory) -> bool {
        let footprint = self.architecture.footprint(settings);
        footprint.is_ok_and(|footprint| {
            footprint.estimate(settings).total() <= PROPOSED * room(available)
        })
    }

    /// What to say where a batch of `largest` fits: the same step in smaller pieces, if there is one.
    fn smaller(&self, largest: usize, available: AvailableMemory) -> String {
        let training = &self.settings.training;
        let rows = training.batch_size.saturating_mul(training.accumulate);
        smaller_batch(largest, rows, |batch_size, accumulate| {
            let mut settings = self.settings.clone();
            settings.training.batch_size = batch_size;
            settings.training.accumulate = accumulate;
            self.fits(&settings, available) && self.architecture.check(&settings).is_ok()
        })
    }

    /// What to say where not even one sequence fits.
    fn shorter(&self, available: AvailableMemory) -> String {
        let before = self.settings.data.seq_len;
        let longest = largest(before, |seq_len| {
            self.fits(&of_length(self.settings, seq_len), available)
        });
        if longest < SHORTEST {
            return "not even --batch-size 1 fits: choose a smaller model with --preset or --config"
                .to_owned();
        }
        format!(
            "not even --batch-size 1 fits: choose a shorter sequence, at most --seq-len {longest} \
             with that batch, or a smaller model"
        )
    }
}

/// What is too little: what is `asked` for, with its verb, the bytes it needs, and what would do.
pub(crate) fn shortage(
    asked: impl Display,
    need: f64,
    available: AvailableMemory,
    remedy: &str,
) -> String {
    let about = if need < MEASURABLE { "about " } else { "" };
    format!(
        "not enough memory: {asked} {about}{}, {} {}; {remedy}",
        bytes(need as u64),
        bytes(available.bytes),
        described(available.bound),
    )
}

/// What to say where batches of up to `largest` rows fit: the same step of `rows` in smaller pieces, if a
/// batch size and an accumulation that `are_possible` make one.
pub(crate) fn smaller_batch(
    largest: usize,
    rows: usize,
    are_possible: impl Fn(usize, usize) -> bool,
) -> String {
    let fitting = format!("the largest that fits is --batch-size {largest}");
    let same_step = (1..=largest)
        .rev()
        .filter(|&batch_size| rows.is_multiple_of(batch_size))
        .find(|&batch_size| are_possible(batch_size, rows / batch_size));
    match same_step {
        Some(batch_size) => format!(
            "{fitting}; --batch-size {batch_size} --accumulate {} makes the same step",
            rows / batch_size
        ),
        None => fitting,
    }
}

/// What a number of bytes is, behind it.
fn described(bound: MemoryBound) -> &'static str {
    match bound {
        MemoryBound::Machine => "are free",
        MemoryBound::ControlGroup => "are left of the control group's limit",
        MemoryBound::AddressSpace => "are left of ulimit -v, of which 60 % can be used",
        MemoryBound::Data => "are left of ulimit -d",
    }
}

/// What the system has, where all devices compute in it and it says.
pub(crate) fn available_to(specs: &[DeviceSpec]) -> Option<AvailableMemory> {
    let is_host = specs.iter().all(|spec| spec.place == Place::Processor);
    is_host.then(available_memory).flatten()
}

/// What is said of what there is, behind what is needed.
pub(crate) fn told_free(estimate: &MemoryEstimate, available: Option<AvailableMemory>) -> String {
    available.map_or(String::new(), |available| {
        let is_close = estimate.total() > PROPOSED * room(available);
        let doubt = if is_close {
            ", which may be too little"
        } else {
            ""
        };
        format!("; {} are free{doubt}", bytes(available.bytes))
    })
}

/// Bytes that can be counted on.
pub(crate) fn room(available: AvailableMemory) -> f64 {
    let bytes = available.bytes as f64;
    match available.bound {
        MemoryBound::AddressSpace => OF_ADDRESSES * bytes,
        MemoryBound::Machine | MemoryBound::ControlGroup | MemoryBound::Data => bytes,
    }
}

/// The settings for a batch of one sequence of another length, with what follows from the length.
fn of_length(settings: &RunSettings, seq_len: usize) -> RunSettings {
    let mut settings = settings.clone();
    let before = std::mem::replace(&mut settings.data.seq_len, seq_len);
    let share = seq_len as f64 / before.max(1) as f64;
    let scaled = |number: f64| (number * share) as u64;
    settings.training.batch_size = 1;
    let slots = settings.objective.max_predictions_mut();
    *slots = scaled(*slots as f64) as usize;
    // A preset has room for the sequence asked for, and a memory in proportion to it.
    for field in ["max_position_embeddings", "mem_len", "reuse_len"] {
        if let Some(value) = settings.model.get_mut(field)
            && let Some(number) = value.as_f64()
            && (field != "max_position_embeddings" || number as usize == before)
        {
            *value = scaled(number).max(1).into();
        }
    }
    settings
}

/// The largest number from 1 to `most` that `fits`, where those below one that does fit as well; 0:
/// none.
pub(crate) fn largest(most: usize, fits: impl Fn(usize) -> bool) -> usize {
    if fits(most) {
        return most;
    }
    let (mut fitting, mut too_large) = (0, most);
    while too_large - fitting > 1 {
        let middle = fitting + (too_large - fitting) / 2;
        if fits(middle) {
            fitting = middle;
        } else {
            too_large = middle;
        }
    }
    fitting
}

#[cfg(test)]
mod tests {
    use kiln_learner::TrainingSettings;
    use serde_json::{Map, json};

    use super::*;
    use crate::architectures;

    /// A run of a preset on batches of `batch_size` x `seq_len`, with 2,000 words.
    fn settings(
        architecture: &dyn Architecture,
        preset: &str,
        batch_size: usize,
        seq_len: usize,
    ) -> RunSettings {
        let data = json!({
            "shards": "", "corpus": "", "eval_shards": null, "eval_corpus": null, "held_out": 0.05,
            "eval_batches": 1, "tokenizer": "", "tokenizer_identity": "", "seq_len": seq_len,
        });
        RunSettings {
            versions: Map::new(),
            architecture: architecture.name().to_owned(),
            model: architecture.preset(preset, 2_000, seq_len).unwrap(),
            init_from: None,
            objective: architecture.objective(None, Some(preset), seq_len),
            data: serde_json::from_value(data).unwrap(),
            training: TrainingSettings {
                batch_size,
                ..TrainingSettings::default()
            },
            devices: vec!["flex".to_owned()],
            changes: Vec::new(),
        }
    }

    /// Highest resident size in megabytes of `kiln pretrain A --preset P --vocab-size 2000
    /// --batch-size B --seq-len S --steps 3 --backend flex` on a text of 140 kB.
    const MEASURED: [(&str, &str, usize, usize, f64); 26] = [
        ("bert", "tiny", 4, 64, 85.0),
        ("bert", "tiny", 32, 128, 240.0),
        ("bert", "tiny", 64, 128, 372.0),
        ("bert", "tiny", 16, 512, 528.0),
        ("bert", "tiny", 128, 64, 458.0),
        ("bert", "small", 8, 128, 629.0),
        ("bert", "small", 4, 256, 575.0),
        ("bert", "base", 2, 64, 2082.0),
        ("electra", "tiny", 32, 128, 295.0),
        ("electra", "tiny", 64, 128, 475.0),
        ("electra", "tiny", 16, 512, 724.0),
        ("electra", "small", 8, 128, 650.0),
        ("electra", "small", 4, 256, 687.0),
        ("deberta", "tiny", 32, 128, 294.0),
        ("deberta", "tiny", 64, 128, 416.0),
        ("deberta", "tiny", 16, 512, 569.0),
        ("deberta", "small", 8, 128, 1706.0),
        ("deberta", "small", 4, 256, 1732.0),
        ("xlnet", "tiny", 32, 128, 293.0),
        ("xlnet", "tiny", 64, 128, 431.0),
        ("xlnet", "tiny", 16, 512, 530.0),
        ("xlnet", "tiny", 128, 64, 475.0),
        ("xlnet", "small", 8, 128, 1031.0),
        ("xlnet", "small", 4, 256, 1074.0),
        ("roberta", "tiny", 32, 128, 250.0),
        ("roberta", "tiny", 16, 512, 526.0),
    ];

    #[test]
    fn estimates_are_near_what_runs_were_measured_to_take() {
        for (name, preset, batch_size, seq_len, measured) in MEASURED {
            let architecture = architectures::by_name(name).unwrap();
            let settings = settings(architecture, preset, batch_size, seq_len);
            let footprint = architecture.footprint(&settings).unwrap();
            let estimate = footprint.estimate(&settings).total() / 1e6;
            let ratio = estimate / measured;
            // What the module of the estimate says, and a little more for the tables it leaves out.
            assert!(
                (0.75..1.5).contains(&ratio),
                "{name} {preset} {batch_size} x {seq_len}: {estimate:.0} MB, {measured} measured"
            );
        }
    }

    #[test]
    fn more_of_anything_takes_more() {
        for architecture in architectures::ARCHITECTURES {
            let preset = architecture.presets()[0];
            let total = |change: &dyn Fn(&mut RunSettings)| {
                let mut settings = settings(*architecture, preset, 8, 64);
                change(&mut settings);
                let footprint = architecture.footprint(&settings).unwrap();
                footprint.estimate(&settings).total()
            };
            let plain = total(&|_| {});
            let changes: [&dyn Fn(&mut RunSettings); 5] = [
                &|s| s.training.batch_size = 16,
                &|s| s.training.accumulate = 4,
                &|s| s.data.seq_len = 128,
                &|s| *s.objective.max_predictions_mut() *= 2,
                &|s| s.devices.push("flex".to_owned()),
            ];
            for (number, change) in changes.into_iter().enumerate() {
                assert!(total(change) > plain, "{} {number}", architecture.name());
            }
        }
    }

    #[test]
    fn a_head_that_does_not_tie_takes_a_second_table_where_there_is_such_a_head() {
        for architecture in architectures::ARCHITECTURES {
            let mut settings = settings(*architecture, architecture.presets()[0], 8, 64);
            let state = |settings: &RunSettings| {
                let footprint = architecture.footprint(settings).unwrap();
                footprint.estimate(settings).state
            };
            let tied = state(&settings);
            settings.model["tie_word_embeddings"] = false.into();
            let is_more = state(&settings) > tied;
            // Its enhanced mask decoder reads the one table whatever config.json says; ELECTRA's
            // generator has a config of its own, which is the model's where there is no other.
            let has_none = architecture.name() == "deberta";
            assert_ne!(is_more, has_none, "{}", architecture.name());
        }
    }

    #[test]
    fn the_largest_that_fits_is_found_at_either_end_and_between() {
        for most in [1, 2, 7, 1000, usize::MAX] {
            for limit in [0, 1, 2, 5, 999, most] {
                let expected = limit.min(most);
                assert_eq!(largest(most, |number| number <= limit), expected, "{most}");
            }
        }
    }
}
