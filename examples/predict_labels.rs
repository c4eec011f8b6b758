//! Asks a fine-tuned BERT for the labels of texts, from a program of one's own: what
//! `kiln predict classify` does.
//!
//! ```text
//! cargo run --release --example predict_labels -- CHECKPOINT TEXT…
//! ```

#![expect(clippy::print_stdout, reason = "an example talks")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kiln::backend::{choose, open};
use kiln::bert::Bert;
use kiln::checkpoint::ConfigFile;
use kiln::datasets::{Example, Input, Place, Problem};
use kiln::metrics::rows::Row;
use kiln::tasks::Architecture as _;
use kiln::tasks::fine_tuning::HeadKind;
use kiln::tasks::labelled::{TaskModelRequest, TaskPipeline, TaskSettings, label_names};
use kiln::text::Tokenizer;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("name a checkpoint")?);

    // 1. The model: what its config.json says of its labels, and its weights.
    let config = ConfigFile::open(&folder)?.fields().clone().into();
    let facts = Bert.tuned().head(&config, HeadKind::Sequence)?;
    let labels = label_names(&config, facts.num_labels);
    let task = TaskSettings::new(Problem::SingleLabel, labels, facts.longest.min(128));
    let tokenizer = Arc::new(Tokenizer::open(&folder)?);
    let pipeline = TaskPipeline::new(tokenizer, &task, facts.type_vocab_size)?;
    let model = Bert.tuned().open(&TaskModelRequest {
        folder,
        head: HeadKind::Sequence,
        device: open(&choose(None)?)?,
    })?;

    // 2. Texts, of which as many as there are go through it in batches of 32.
    let texts = (1..).zip(arguments).map(|(line, text)| {
        Ok(Example {
            id: line.to_string(),
            place: Place {
                file: Path::new("arguments").into(),
                line,
            },
            input: Input::Text {
                first: text,
                second: None,
            },
            target: None,
        })
    });
    let mut give = |_: &Example, row: Row| {
        if let Row::Class(row) = row {
            println!("{}: {}", row.id, row.prediction);
        }
        Ok(())
    };
    pipeline.predict(texts, 32, &mut |batch| model.answers(batch), &mut give)?;
    Ok(())
}
