//! What a folder's model has learned: to predict masked words (v1, v2), or to find replaced ones (v3).

use std::path::Path;

use kiln_checkpoint::ModelFile;
use kiln_learner::LearnError;
use kiln_tasks::Family;
use kiln_tasks::architecture::OwnObjective;
use kiln_tasks::settings::WordHead;

use crate::config::DebertaVersion;
use crate::{DebertaConfig, MaskedLmForm, masked_lm_form};

/// The name of masked language modelling among the architecture's objectives.
pub(crate) const MLM: &str = "mlm";

/// The name of replaced token detection.
pub(crate) const RTD: &str = "rtd";

/// Where the names of a discriminator's head begin.
const DISCRIMINATOR: &str = "mask_predictions.";

/// Where those of heads over words begin, Hugging Face's and the original's.
const WORD_HEADS: [&str; 2] = ["cls.predictions.", "lm_predictions."];

/// The objective that a model's heads belong to. An encoder alone is v3's, unless its config is one that
/// v3 never has: v1's, or one with v2's convolution.
///
/// # Errors
/// If config or weights can't be opened.
pub(crate) fn own_objective(folder: &Path) -> Result<OwnObjective, LearnError> {
    let file = ModelFile::open(folder)?;
    let has = |prefix: &str| file.names().any(|name| name.starts_with(prefix));
    let of = |name, word_head| OwnObjective {
        name: Some(name),
        word_head,
        ..OwnObjective::default()
    };
    // Before heads over words: v3's published folders have the generator's as well.
    if has(DISCRIMINATOR) {
        return Ok(of(RTD, None));
    }
    let config = DebertaConfig::open(folder)?;
    if WORD_HEADS.into_iter().any(has) {
        let head = match masked_lm_form(&config, &file)? {
            MaskedLmForm::Legacy => WordHead::Legacy,
            MaskedLmForm::Plain => WordHead::Plain,
            MaskedLmForm::Enhanced => WordHead::Enhanced,
        };
        return Ok(of(MLM, Some(head)));
    }
    let is_v3 = config.version() == DebertaVersion::V2 && config.conv_kernel_size().is_none();
    Ok(of(if is_v3 { RTD } else { MLM }, None))
}

#[cfg(test)]
mod tests {
    use kiln_nn::Init;
    use kiln_tasks::family::write_folder;
    use kiln_testing::{devices, lock_generator};

    use super::*;
    use crate::{
        DebertaForMaskedLm, DebertaForPreTraining, DebertaModel, PosAttType, write_masked_lm,
    };

    fn config() -> DebertaConfig {
        DebertaConfig {
            vocab_size: 23,
            hidden_size: 12,
            num_hidden_layers: 2,
            num_attention_heads: 3,
            intermediate_size: 17,
            max_position_embeddings: 9,
            relative_attention: true,
            position_biased_input: false,
            position_buckets: Some(4),
            pos_att_type: Some(PosAttType::Words("p2c|c2p".into())),
            ..DebertaConfig::v2()
        }
    }

    #[test]
    fn heads_tell_the_objective_and_of_an_encoder_alone_its_config() {
        let _guard = lock_generator();
        let (_, device) = devices().remove(0);
        let mut init = Init::new(1, 0.02, &device);
        let found = |write: &mut dyn FnMut(&Path)| {
            let folder = tempfile::tempdir().unwrap();
            write(folder.path());
            let own = own_objective(folder.path()).unwrap();
            (own.name, own.word_head)
        };
        let pair = DebertaForPreTraining::new(&config(), &mut init);
        let of_pair = found(&mut |folder| write_folder(&pair, &config(), folder).unwrap());
        assert_eq!(of_pair, (Some(RTD), None));
        for (form, head) in [
            (MaskedLmForm::Legacy, WordHead::Legacy),
            (MaskedLmForm::Plain, WordHead::Plain),
            (MaskedLmForm::Enhanced, WordHead::Enhanced),
        ] {
            let model = DebertaForMaskedLm::new(&config(), form, &mut init);
            let own = found(&mut |folder| write_masked_lm(&model, &config(), folder).unwrap());
            assert_eq!(own, (Some(MLM), Some(head)), "{form:?}");
        }
        let v2 = DebertaConfig {
            conv_kernel_size: Some(3),
            ..config()
        };
        for (config, name) in [(config(), RTD), (v2, MLM)] {
            let encoder = DebertaModel::new(&config, &mut init);
            let own = found(&mut |folder| write_folder(&encoder, &config, folder).unwrap());
            assert_eq!(own, (Some(name), None));
        }
    }
}
