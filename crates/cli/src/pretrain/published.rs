//! Flags laid over what an architecture publishes, by key. A flag exists for an architecture where
//! its key stands in the published settings or in the model's config.

use kiln_tasks::Architecture;
use kiln_tasks::settings::ObjectiveSettings;
use serde_json::{Value, json};

use super::flags::{Flag, Kind};
use super::given::Given;
use crate::architectures::ARCHITECTURES;
use crate::failure::Failure;

/// Sequences of this many tokens where nobody says and the model takes them.
pub(super) const SEQ_LEN: usize = 128;

/// What flags change of an objective's settings and of a model's config, by key.
pub(super) struct Changes<'a>(Vec<(&'static str, &'static Flag, &'a Value)>);

impl<'a> Changes<'a> {
    /// Finds the keys of `given` in what `architecture` publishes, an objective with the settings
    /// `objective` among it.
    ///
    /// # Errors
    /// If a flag has no key there, two of them have one and the same, or a number is none.
    pub(super) fn find(
        given: &'a Given,
        architecture: &dyn Architecture,
        objective: &ObjectiveSettings,
    ) -> Result<Self, Failure> {
        let published = published(architecture, objective);
        let mut changes: Vec<(&str, &Flag, &Value)> = Vec::new();
        for (flag, value) in given.iter() {
            let Some(key) = key_in(&published, flag.keys) else {
                return Err(refuse(flag, architecture));
            };
            check_number(flag, key, value)?;
            let same = |(known, _, other): &&(&str, _, &Value)| *known == key && *other != value;
            if let Some((_, other, was)) = changes.iter().find(same) {
                return Err(Failure::usage(format_args!(
                    "--{} {was}, --{} {value}: {} has one rate for both; pass one",
                    other.name,
                    flag.name,
                    architecture.name()
                )));
            }
            changes.push((key, flag, value));
        }
        Ok(Self(changes))
    }

    /// The objective's settings with the changes.
    ///
    /// # Errors
    /// If a value is none that its key can have.
    pub(super) fn of_objective(
        &self,
        published: &ObjectiveSettings,
    ) -> Result<ObjectiveSettings, Failure> {
        let refuse = |error| Failure::usage(format_args!("objective: {error}"));
        let mut settings = serde_json::to_value(published).map_err(refuse)?;
        self.put("/objective", &mut settings);
        serde_json::from_value(settings).map_err(refuse)
    }

    /// Puts the changes into a model's config, which need not have had their fields.
    pub(super) fn of_model(&self, config: &mut Value) {
        self.put("/model", config);
    }

    fn put(&self, part: &str, settings: &mut Value) {
        for (key, _, value) in &self.0 {
            let Some(path) = key.strip_prefix(part) else {
                continue;
            };
            if let Some(known) = settings.pointer_mut(path) {
                *known = (*value).clone();
            } else if let (Value::Object(fields), Some(field)) = (&mut *settings, path.get(1..)) {
                fields.insert(field.to_owned(), (*value).clone());
            }
        }
    }
}

/// What an architecture publishes, by part: the objective, and the fields of the smallest preset.
fn published(architecture: &dyn Architecture, objective: &ObjectiveSettings) -> Value {
    let smallest = architecture.presets().first().copied().unwrap_or_default();
    json!({
        "objective": objective,
        "model": architecture.preset(smallest, 1, SEQ_LEN).unwrap_or_default(),
    })
}

fn key_in(published: &Value, keys: &[&'static str]) -> Option<&'static str> {
    let mut keys = keys.iter().copied();
    keys.find(|key| published.pointer(key).is_some())
}

/// Refuses what is no number, and no rate where one is meant.
fn check_number(flag: &Flag, key: &str, value: &Value) -> Result<(), Failure> {
    let name = flag.name;
    match (&flag.value, value.as_f64()) {
        (Kind::Rate, rate) if !rate.is_some_and(|rate| (0.0..1.0).contains(&rate)) => {
            Err(Failure::usage(format_args!(
                "--{name} {}: choose a number from 0 to below 1",
                rate.unwrap_or(f64::NAN)
            )))
        }
        (Kind::Number, None) => Err(Failure::usage(format_args!(
            "--{name}: {} has to be finite; choose another number",
            key.rsplit('/').next().unwrap_or_default()
        ))),
        _ => Ok(()),
    }
}

/// Says that `architecture` has no such option, and who has it.
fn refuse(flag: &Flag, architecture: &dyn Architecture) -> Failure {
    let mut owners = Vec::new();
    for other in ARCHITECTURES {
        let has = |name: Option<&str>| {
            let objective = other.objective(name, None, SEQ_LEN);
            key_in(&published(*other, &objective), flag.keys).is_some()
        };
        let names = other.objectives();
        let having: Vec<&str> = names.iter().copied().filter(|n| has(Some(n))).collect();
        if having.len() < names.len() {
            let with = |name: &&str| format!("{} with --objective {name}", other.name());
            owners.extend(having.iter().map(with));
        } else if has(None) {
            owners.push(other.name().to_owned());
        }
    }
    let name = architecture.name();
    let with = if owners.iter().any(|owner| owner.starts_with(name)) {
        " with this objective"
    } else {
        ""
    };
    Failure::usage(format_args!(
        "--{}: {name}{with} has no such option; leave the flag out, or train {}",
        flag.name,
        owners.join(" or ")
    ))
}

#[cfg(test)]
mod tests;
