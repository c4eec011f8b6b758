//! Opens a Hugging Face folder and fills the masks of a sentence.
//!
//! ```text
//! cargo run --release --example bert_fill_mask -- runs/first-bert/checkpoints/step-00003000 \
//!     "The capital of France is [MASK]."
//! ```

#![expect(clippy::print_stdout, reason = "an example talks")]

use std::error::Error;
use std::path::Path;

use kiln::backend::{choose, open};
use kiln::bert::BertForMaskedLm;
use kiln::tasks::Predictor;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(text)) = (arguments.next(), arguments.next()) else {
        return Err("usage: bert_fill_mask FOLDER TEXT".into());
    };
    let device = open(&choose(None)?)?;
    let model = Predictor::<BertForMaskedLm>::open(Path::new(&folder), &device)?;
    for mask in model.fill_mask(&[text], 5)?.into_iter().flatten() {
        println!("position {}:", mask.position);
        for candidate in mask.candidates {
            println!("  {:6.2} %  {}", 100.0 * candidate.score, candidate.token);
        }
    }
    Ok(())
}
