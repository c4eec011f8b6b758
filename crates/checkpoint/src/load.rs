//! The tensors of a file put into a module.
//!
//! Everything is checked before the first tensor is made, so a file that does not fit leaves no
//! half-loaded module; and nothing is decided here on what may be absent: the report says what was
//! found, and the caller, who knows whether a head may start fresh, is strict or not.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::tensor::{Tensor, TensorData};

use crate::names::contains_fragment;
use crate::parameters::{Parameter, parameters};
use crate::tensors::transpose;
use crate::{ModelFile, Names, OpenError};

/// What an architecture knows of its files beyond the names of its parameters.
#[derive(Debug, Clone, Copy, Default)]
pub struct LoadOptions {
    /// What the names of the bare model begin with inside a model with heads (`"bert."`): tensors
    /// are found with and without it.
    pub base_prefix: Option<&'static str>,
    /// Dotted fragments of names that a file may hold without a place in the module, such as
    /// `position_ids`.
    pub ignorable: &'static [&'static str],
    /// Names of one and the same parameter.
    pub tied: &'static [Tied],
}

/// Two names of one parameter. A module has the owner; a file may hold both, if they are equal bit
/// for bit, or the copy alone. Where a module has a parameter of the copy's name, the two are apart.
#[derive(Debug, Clone, Copy)]
pub struct Tied {
    /// The other name.
    pub copy: &'static str,
    /// The module's name.
    pub owner: &'static str,
    /// What the names begin with of the head that uses it under the other name: without that head
    /// nobody reads the copy, and it may be anything.
    pub head: &'static str,
}

/// What became of each parameter of the module and each tensor of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Parameters that took their values from the file, in the module's order.
    pub loaded: Vec<String>,
    /// Parameters the file does not hold; they keep the values they had.
    pub missing: Vec<String>,
    /// Biases that the file does not hold of a head apart from the word table: its own, or the one
    /// beside it that nobody reads then. They keep the values they had, which in Hugging Face are
    /// zeros.
    pub fresh: Vec<String>,
    /// Tensors of the file that the module has no place for.
    pub unused: Vec<String>,
    /// Tensors of the file left aside as declared: ignorable ones and equal copies of tied ones.
    pub ignored: Vec<String>,
}

impl LoadReport {
    /// Refuses a file that lacks a parameter, where a fresh one would give random results in silence;
    /// biases that are zeros in Hugging Face, and what the file holds besides, are fine. `path` is
    /// named in the error.
    ///
    /// # Errors
    /// If anything is missing.
    pub fn require_all(&self, path: &Path) -> Result<(), OpenError> {
        if self.missing.is_empty() {
            return Ok(());
        }
        Err(OpenError::Incomplete {
            path: path.to_path_buf(),
            missing: self.missing.clone(),
            unused: Vec::new(),
        })
    }

    /// Refuses a file that lacks a parameter or holds a tensor too many; `path` is named in the
    /// error.
    ///
    /// # Errors
    /// If anything is missing, fresh or unused.
    pub fn require_complete(&self, path: &Path) -> Result<(), OpenError> {
        let missing = [self.missing.as_slice(), &self.fresh].concat();
        if missing.is_empty() && self.unused.is_empty() {
            return Ok(());
        }
        Err(OpenError::Incomplete {
            path: path.to_path_buf(),
            missing,
            unused: self.unused.clone(),
        })
    }
}

/// Gives every parameter of `module` that `file` holds the file's values.
///
/// A parameter is looked up by its Hugging Face name; failing that with the legacy ending `gamma`
/// or `beta`, with [`LoadOptions::base_prefix`] added or taken away, and under the name of a tied
/// copy. Parameters keep their identifier, device, element type and whether they require a gradient.
///
/// # Errors
/// If a shape or element type does not fit, if two tied tensors differ of which a head reads one, if
/// an index promises a parameter that is not there, or if reading fails.
pub fn load_module<M: Module>(
    module: M,
    names: &Names,
    file: &ModelFile,
    options: &LoadOptions,
) -> Result<(M, LoadReport), OpenError> {
    let mut plan = HashMap::new();
    let mut report = LoadReport::default();
    let mut used = BTreeSet::new();
    let parameters = parameters(&module, names);
    let tied: Vec<&Tied> = options.tied_in(&parameters);
    for parameter in parameters.iter().cloned() {
        let candidates = options.candidates(&parameter.name, &tied);
        let Some(stored) = candidates.iter().find(|name| file.info(name).is_some()) else {
            if let Some(error) = file.broken_promise(&candidates) {
                return Err(error);
            }
            if options.is_bias_apart(&parameter.name, &tied) {
                report.fresh.push(parameter.name);
            } else {
                report.missing.push(parameter.name);
            }
            continue;
        };
        let stored = stored.clone();
        check_fit(file, &stored, &parameter)?;
        used.insert(stored.clone());
        report.loaded.push(parameter.name);
        plan.insert(parameter.id, (stored, parameter.transposed));
    }
    for name in file.names().filter(|name| !used.contains(*name)) {
        let name = name.to_owned();
        match options.owner_of(&name, &tied, &used) {
            Some((tied, owner)) => {
                if options.is_read(tied, &parameters) && !file.are_equal(&name, &owner)? {
                    return Err(options.untied(file, name, owner));
                }
                report.ignored.push(name);
            }
            None if options.is_ignorable(&name) => report.ignored.push(name),
            None => report.unused.push(name),
        }
    }
    report.unused.extend(file.outside().map(str::to_owned));
    let mut mapper = Load {
        file,
        plan,
        failure: None,
    };
    let module = module.map(&mut mapper);
    match mapper.failure {
        Some(error) => Err(error),
        None => Ok((module, report)),
    }
}

/// Holds the shapes of a file's tensors against what a configuration says, before anything of that
/// size is made: a damaged config.json then costs an error and not all memory.
///
/// `expected` has names without the base prefix of `options`, with which they are found as well.
///
/// # Errors
/// If a tensor has another shape, or is not there.
pub fn check_shapes(
    file: &ModelFile,
    options: &LoadOptions,
    expected: &[(String, [usize; 2])],
) -> Result<(), OpenError> {
    let prefix = options.base_prefix.unwrap_or_default();
    let tied: Vec<&Tied> = options.tied.iter().collect();
    let mut missing = Vec::new();
    for (name, expected) in expected {
        let prefixed = format!("{prefix}{name}");
        let candidates = options.candidates(&prefixed, &tied);
        let stored = candidates
            .iter()
            .find_map(|stored| Some((stored, file.info(stored)?)));
        match stored {
            Some((_, info)) if info.shape == *expected => {}
            Some((stored, info)) => {
                let is_owner = *stored == prefixed;
                return Err(OpenError::Shape {
                    path: file.path().to_path_buf(),
                    name: if is_owner { name } else { stored }.clone(),
                    found: info.shape.clone(),
                    expected: expected.to_vec(),
                });
            }
            None => match file.absence(&candidates) {
                Some(error) => return Err(error),
                None => missing.push(prefixed),
            },
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(OpenError::Incomplete {
        path: file.path().to_path_buf(),
        missing,
        unused: Vec::new(),
    })
}

impl LoadOptions {
    /// The tied copies that a model has as parameters of their own: all of them where its
    /// config.json does not tie (`ties`), else those that `file` holds beside their owners with other
    /// values, as in Hugging Face.
    ///
    /// # Errors
    /// If a tensor cannot be read.
    pub fn apart(&self, file: &ModelFile, ties: bool) -> Result<Vec<&'static str>, OpenError> {
        let mut apart = Vec::new();
        for tied in self.tied {
            let stored = |name: &str| {
                let mut spellings = self.spellings(name).into_iter();
                spellings.find(|name| file.info(name).is_some())
            };
            let differ = match (stored(tied.copy), stored(tied.owner)) {
                (Some(copy), Some(owner)) if ties => !file.are_equal(&copy, &owner)?,
                _ => !ties,
            };
            if differ {
                apart.push(tied.copy);
            }
        }
        Ok(apart)
    }

    /// Why `file` does not hold the parameter `name`, if more can be said than that.
    pub fn why_missing(&self, file: &ModelFile, name: &str) -> Option<OpenError> {
        let tied: Vec<&Tied> = self.tied.iter().collect();
        file.absence(&self.candidates(name, &tied))
    }

    /// Those of the tied names that are one parameter in a module of these parameters.
    fn tied_in(&self, parameters: &[Parameter]) -> Vec<&Tied> {
        let is_own = |tied: &Tied| {
            let spellings = self.spellings(tied.copy);
            let mut names = parameters.iter().map(|parameter| &parameter.name);
            names.any(|name| spellings.contains(name))
        };
        self.tied.iter().filter(|tied| !is_own(tied)).collect()
    }

    /// Whether a parameter is one of two biases that are apart in a module with this `tied`.
    fn is_bias_apart(&self, name: &str, tied: &[&Tied]) -> bool {
        let is_shared = |pair: &Tied| tied.iter().any(|tied| tied.copy == pair.copy);
        let mut apart = self.tied.iter().filter(|pair| !is_shared(pair));
        name.ends_with(".bias")
            && apart.any(|Tied { copy, owner, .. }| {
                let mut names = [copy, owner].into_iter();
                names.any(|found| self.spellings(found).iter().any(|found| found == name))
            })
    }

    /// Why a file does not fit that holds `copy` and `owner` with other values, and how both are
    /// kept: a head that is apart reads nothing but its own.
    fn untied(&self, file: &ModelFile, copy: String, owner: String) -> OpenError {
        let is_stored = |name: &str| {
            let spellings = self.spellings(name);
            spellings.iter().any(|name| file.info(name).is_some())
        };
        let absent = self.tied.iter().filter(|pair| !is_stored(pair.copy));
        let absent: Vec<String> = absent
            .filter(|pair| is_stored(pair.owner))
            .map(|pair| format!(", store {} as {} as well,", pair.owner, pair.copy))
            .collect();
        OpenError::Untied {
            path: file.path().to_path_buf(),
            copy,
            owner,
            remedy: format!(
                "set tie_word_embeddings to false in config.json{} to go on with both",
                absent.concat()
            ),
        }
    }

    /// Whether the module has the head that reads a parameter under its other name.
    fn is_read(&self, tied: &Tied, parameters: &[Parameter]) -> bool {
        let mut names = parameters.iter().map(|parameter| &parameter.name);
        names.any(|name| name.starts_with(tied.head))
    }

    /// The names under which a file may hold the parameter `name`, the usual one first.
    fn candidates(&self, name: &str, tied: &[&Tied]) -> Vec<String> {
        let mut candidates = self.spellings(name);
        for Tied { copy, owner, .. } in tied {
            if self.spellings(owner).iter().any(|owner| owner == name) {
                candidates.extend(self.spellings(copy));
            }
        }
        candidates
    }

    /// `name` as it is, with its legacy ending, and both again with the prefix toggled.
    fn spellings(&self, name: &str) -> Vec<String> {
        let mut spellings = vec![name.to_owned()];
        if let Some(module) = name.strip_suffix(".weight") {
            spellings.push(format!("{module}.gamma"));
        } else if let Some(module) = name.strip_suffix(".bias") {
            spellings.push(format!("{module}.beta"));
        }
        if let Some(prefix) = self.base_prefix {
            let toggled = spellings
                .iter()
                .map(|name| match name.strip_prefix(prefix) {
                    Some(bare) => bare.to_owned(),
                    None => format!("{prefix}{name}"),
                });
            let toggled: Vec<String> = toggled.collect();
            spellings.extend(toggled);
        }
        spellings
    }

    /// The used tensor that `name` is a tied copy of.
    fn owner_of<'a>(
        &self,
        name: &str,
        tied: &[&'a Tied],
        used: &BTreeSet<String>,
    ) -> Option<(&'a Tied, String)> {
        tied.iter().find_map(|tied| {
            let copies = self.spellings(tied.copy);
            if !copies.iter().any(|spelling| spelling == name) {
                return None;
            }
            let mut owners = self.spellings(tied.owner).into_iter();
            let owner = owners.find(|owner| used.contains(owner))?;
            Some((*tied, owner))
        })
    }

    fn is_ignorable(&self, name: &str) -> bool {
        let mut fragments = self.ignorable.iter();
        fragments.any(|fragment| contains_fragment(name, fragment))
    }
}

/// Shape and element type, before any tensor is made: Burn answers a wrong shape with a panic.
fn check_fit(file: &ModelFile, stored: &str, parameter: &Parameter) -> Result<(), OpenError> {
    let Some(info) = file.info(stored) else {
        return Ok(());
    };
    if info.shape != parameter.shape {
        return Err(OpenError::Shape {
            path: file.path().to_path_buf(),
            name: stored.to_owned(),
            found: info.shape.clone(),
            expected: parameter.shape.clone(),
        });
    }
    if !info.is_float() {
        return Err(OpenError::Dtype {
            path: file.path().to_path_buf(),
            name: stored.to_owned(),
            dtype: info.dtype.to_string(),
        });
    }
    Ok(())
}

struct Load<'a> {
    file: &'a ModelFile,
    /// By parameter: name in the file, and whether the module holds the transpose.
    plan: HashMap<ParamId, (String, bool)>,
    /// The first error; a mapper cannot return one.
    failure: Option<OpenError>,
}

impl ModuleMapper for Load<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some((stored, transposed)) = self.plan.get(&param.id) else {
            return param;
        };
        if self.failure.is_some() {
            return param;
        }
        let mut data = match self.file.read(stored) {
            Ok(data) => data,
            Err(error) => {
                self.failure = Some(error);
                return param;
            }
        };
        // `consume` keeps what `Param::map` keeps (identifier, training state) and gives the old
        // value, which says where and as what the new one has to be made.
        let (id, old, keep) = param.consume();
        let shape = old.shape();
        if *transposed && let [rows, columns] = *shape.as_slice() {
            data = transpose(&data, &[columns, rows]);
        }
        let data = TensorData::new(data, shape);
        let new = Tensor::<D>::from_data(data, (&old.device(), old.dtype()));
        // Made from data it is a leaf; computed from the old value it would silently stop training.
        let new = if old.is_require_grad() {
            new.require_grad()
        } else {
            new
        };
        Param::from_mapped_value(id, new, keep)
    }
}
