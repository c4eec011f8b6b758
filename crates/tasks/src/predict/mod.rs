//! A model that answers what is asked of texts: opened once, asked many times, in padded batches.
//!
//! ```text
//! texts -> Texts: ids, checked -> TextBatch, padded -> a class -> probabilities -> Texts: answers
//! ```

mod batch;
mod embed;
mod fill_mask;
mod pooling;
mod replaced_tokens;
mod sentence_folder;
mod table;

use std::path::Path;

use burn::tensor::Device;
use kiln_checkpoint::ModelFile;
use kiln_learner::LearnError;
use kiln_text::tokenizer::Tokenizer;

pub use batch::{Text, TextBatch};
pub use embed::embedder;
pub use fill_mask::{PredictWords, fill_mask};
pub use replaced_tokens::replaced_tokens;
pub use sentence_folder::SentenceFolder;

use crate::class::{Class, open_module};
use crate::family::{Family, Sizes};
use crate::heads::Head;

/// The tokenizer of a model, with the rows of the model's tables.
#[derive(Debug)]
pub struct Texts {
    tokenizer: Tokenizer,
    sizes: Sizes,
}

impl Texts {
    /// The tokenizer of the model in `folder`, for tables of these sizes.
    ///
    /// # Errors
    /// If it has more tokens than the model: they do not belong together.
    pub fn new(tokenizer: Tokenizer, folder: &Path, sizes: Sizes) -> Result<Self, LearnError> {
        table::check_table(&tokenizer, folder, sizes)?;
        Ok(Self { tokenizer, sizes })
    }

    /// The ids of a text, special tokens included. `check` may refuse them first, given the text's
    /// beginning.
    ///
    /// # Errors
    /// If the text is longer than the model's positions, or has a token without a row, or as `check`.
    fn read(
        &self,
        text: &str,
        check: impl FnOnce(&[u32], &str) -> Result<(), LearnError>,
    ) -> Result<Vec<u32>, LearnError> {
        let ids = self.tokenizer.encode_with_specials(text)?;
        let excerpt: String = text.chars().take(60).collect();
        check(&ids, &excerpt)?;
        let longest = self.sizes.longest();
        if ids.len() > longest {
            return Err(LearnError::Settings(format!(
                "\"{excerpt}\": {} tokens, the model takes {longest}; shorten the text",
                ids.len(),
            )));
        }
        table::check_ids(&self.tokenizer, &ids, &excerpt, self.sizes)?;
        Ok(ids)
    }
}

/// A model with its tokenizer, on a device.
#[derive(Debug)]
pub struct Predictor<C: Class> {
    model: C,
    texts: Texts,
    device: Device,
    warning: Option<String>,
}

impl<C: Class> Predictor<C> {
    /// Opens a Hugging Face folder, or the half of a pair's that has such a head, as the class `C`.
    ///
    /// # Errors
    /// If a file is missing or damaged, or the model lacks a parameter of the class: a fresh head
    /// would give random answers.
    pub fn open(folder: &Path, device: &Device) -> Result<Self, LearnError> {
        let folder = C::Head::HALF.meant_by(folder);
        let config = C::Config::open(&folder)?.for_texts();
        let tokenizer = Tokenizer::open(&folder)?;
        let file = ModelFile::open(&folder)?;
        let texts = Texts::new(tokenizer, &folder, C::sizes(&config, &file)?)?;
        let (model, warning) = open_module(&config, &file, device)?;
        Ok(Self {
            model,
            texts,
            device: device.clone(),
            warning,
        })
    }

    /// What is to be told of the folder, if anything: biases that it lacks, which are zeros then.
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }
}
