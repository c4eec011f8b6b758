//! The classes of an architecture, by name or by task.

use std::path::Path;

use kiln_checkpoint::{CONFIG_FILE, OpenError};
use kiln_learner::LearnError;

use super::run::run;
use crate::architecture::{ForwardRequest, Output};
use crate::class::Class;
use crate::family::Family;
use crate::heads::{Head, NoHead};
use crate::replaced_tokens::Half;

/// A family with the list of its classes.
pub trait Classes: Family {
    /// The classes that can be run.
    const CLASSES: &'static [ClassEntry<Self>];
}

type Run<F> = fn(&F, &Path, &ForwardRequest) -> Result<Vec<Output>, LearnError>;

/// A class in its architecture's list.
#[derive(Debug)]
pub struct ClassEntry<F: 'static> {
    names: &'static [&'static str],
    task: &'static str,
    half: Half,
    run: Run<F>,
}

impl<F: Classes> ClassEntry<F> {
    /// The entry of `C`.
    pub const fn of<C: Class<Config = F>>() -> Self {
        Self {
            names: C::NAMES,
            task: C::Head::TASK,
            half: C::Head::HALF,
            run: run::<C>,
        }
    }

    /// The class with this name or task.
    pub fn from_name(name: &str) -> Option<&'static Self> {
        let mut classes = F::CLASSES.iter();
        classes.find(|class| class.names.contains(&name) || class.task == name)
    }

    /// Why there is no class of this name or task.
    pub(crate) fn unknown(name: &str, config: &F) -> LearnError {
        let (architecture, known) = (F::NAME, Self::known(config));
        LearnError::Settings(format!("task {name}: {architecture} has {known}"))
    }

    /// The class that config.json's `architectures` names first, or the one without a head if it
    /// names none.
    ///
    /// # Errors
    /// If there is no such class.
    pub(crate) fn of_config(config: &F, folder: &Path) -> Result<&'static Self, LearnError> {
        let name = config.architectures().and_then(<[String]>::first);
        let name = name.map_or(NoHead::TASK, String::as_str);
        let class = Self::from_name(name).ok_or_else(|| OpenError::Class {
            path: folder.join(CONFIG_FILE),
            class: name.to_owned(),
            known: Self::known(config),
        })?;
        Ok(class)
    }

    /// All names and tasks, for a message.
    pub fn known(config: &F) -> String {
        let classes = F::CLASSES.iter();
        let names = classes.map(|class| {
            let name = config.class_name(class.names);
            format!("{} ({name})", class.task)
        });
        names.collect::<Vec<_>>().join(", ")
    }

    /// The half that has this class where a folder holds a pair.
    pub(crate) fn half(&self) -> Half {
        self.half
    }

    /// Runs a forward pass as this class.
    ///
    /// # Errors
    /// As [`super::forward`].
    pub(crate) fn forward(
        &self,
        config: &F,
        folder: &Path,
        request: &ForwardRequest,
    ) -> Result<Vec<Output>, LearnError> {
        (self.run)(config, folder, request)
    }
}
