//! First weights from other models: a masked language model, a pair, a lone discriminator.

use std::path::Path;

use burn::module::Module;
use burn::tensor::Tensor;
use kiln_checkpoint::ModelFile;
use kiln_learner::{LearnError, Observer};
use kiln_nn::untracked;
use kiln_tasks::replaced_tokens::{Half, Origins};
use kiln_tasks::settings::Sharing;
use kiln_tasks::start::start_from;

use crate::pair::DebertaPair;
use crate::{DebertaConfig, DebertaForMaskedLm, DebertaForPreTraining};

/// Gives a masked language model the weights of a folder, of a pair's generator where it holds one.
/// The head and the mask decoder's positions may start fresh: `observer` is told.
///
/// # Errors
/// If the folder can't be opened, does not fit, or lacks a part of the encoder.
pub(crate) fn start_masked_lm(
    model: DebertaForMaskedLm,
    folder: &Path,
    observer: &dyn Observer,
) -> Result<DebertaForMaskedLm, LearnError> {
    load(model, &Half::Generator.meant_by(folder), observer)
}

impl DebertaPair {
    /// This pair with the weights that there are; the rest stays fresh, and `observer` is told.
    ///
    /// Without a generator to start from, one that shares words takes the discriminator's.
    ///
    /// # Errors
    /// If a folder can't be opened, does not fit, or lacks a part of an encoder.
    pub(crate) fn started(
        self,
        sharing: Sharing,
        origins: Origins<'_>,
        observer: &dyn Observer,
    ) -> Result<Self, LearnError> {
        let mut pair = self;
        let generator = origins.generator_folder();
        if let Some(folder) = &generator {
            pair.generator = load(pair.generator, folder, observer)?;
        }
        let Some(folder) = origins.model else {
            return Ok(pair);
        };
        let folder = Half::Discriminator.meant_by(folder);
        let whole = load(pair.whole_discriminator(), &folder, observer)?;
        if generator.is_none() {
            let what = if sharing == Sharing::None {
                ""
            } else {
                // The same words, and a difference of zero.
                pair = pair.with_word_table(&whole);
                " above its words"
            };
            observer.warning(&format!(
                "freshly initialised, {} holds a discriminator alone: the generator{what}; its first \
                 replacements are easy to find",
                folder.display()
            ));
        }
        warn_of_lost_words(&pair, &whole, sharing, &folder, observer);
        Ok(pair.with_discriminator(whole))
    }
}

/// With one table for both, a discriminator that read with another one comes without it.
fn warn_of_lost_words(
    pair: &DebertaPair,
    whole: &DebertaForPreTraining,
    sharing: Sharing,
    folder: &Path,
    observer: &dyn Observer,
) {
    let values = |table: Tensor<2>| untracked(table).into_data();
    let (ours, theirs) = (&pair.generator.deberta, &whole.deberta);
    if sharing == Sharing::Embeddings
        && values(ours.word_embeddings()) != values(theirs.word_embeddings())
    {
        observer.warning(&format!(
            "not used from {}: the words, which are the generator's; share gradient-disentangled \
             or nothing to keep both",
            folder.display()
        ));
    }
}

fn load<M: Module>(model: M, folder: &Path, observer: &dyn Observer) -> Result<M, LearnError> {
    let file = ModelFile::open(folder)?;
    // Hugging Face leaves the mask decoder's positions out.
    let is_needed = |name: &str| {
        (name.starts_with("deberta.") || name.starts_with("bert."))
            && !name.ends_with("embeddings.position_embeddings.weight")
    };
    start_from::<DebertaConfig, _>(model, (folder, &file), is_needed, observer)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use burn::tensor::Device;
    use kiln_checkpoint::module_tensors;
    use kiln_nn::Init;
    use kiln_testing::{devices, lock_generator};

    use kiln_tasks::family::write_folder;

    use super::*;
    use crate::names::NAMES;
    use crate::pair_config::PairConfig;
    use crate::{DebertaConfig, MaskedLmForm, PosAttType, write_masked_lm};
    use kiln_tasks::replaced_tokens::ModelPair;

    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    impl Observer for Heard {
        fn warning(&self, message: &str) {
            self.0.lock().unwrap().push(message.to_owned());
        }
    }

    impl Heard {
        fn said(&self, words: &str) -> bool {
            let messages = self.0.lock().unwrap();
            messages.iter().any(|message| message.contains(words))
        }
    }

    fn config(num_hidden_layers: usize) -> DebertaConfig {
        DebertaConfig {
            vocab_size: 23,
            hidden_size: 12,
            num_hidden_layers,
            num_attention_heads: 3,
            intermediate_size: 17,
            max_position_embeddings: 9,
            relative_attention: true,
            position_biased_input: false,
            position_buckets: Some(4),
            share_att_key: Some(true),
            norm_rel_ebd: Some("layer_norm".into()),
            pos_att_type: Some(PosAttType::Words("p2c|c2p".into())),
            ..DebertaConfig::v2()
        }
    }

    fn pair(sharing: Sharing, seed: u64, device: &Device) -> DebertaPair {
        let config = PairConfig {
            discriminator: config(3),
            generator: config(2),
            sharing,
        };
        DebertaPair::new(&config, &mut Init::new(seed, 0.2, device))
    }

    fn values(tensor: Tensor<2>) -> Vec<f32> {
        untracked(tensor).try_into_vec_as().unwrap()
    }

    /// The words of the generator and those that the discriminator reads with.
    fn words(pair: &DebertaPair) -> (Vec<f32>, Vec<f32>) {
        let whole = pair.whole_discriminator();
        (
            values(pair.generator.deberta.word_embeddings()),
            values(whole.deberta.word_embeddings()),
        )
    }

    /// What the pair's discriminator owns of the word table: its difference, where it has one.
    fn own_words(pair: &DebertaPair) -> Option<Vec<f32>> {
        let tensors = module_tensors(&pair.discriminator, &NAMES).unwrap();
        let mut tensors = tensors.into_iter();
        let own = tensors.find(|tensor| tensor.name == "word_embeddings.weight");
        own.map(|tensor| tensor.data)
    }

    #[test]
    fn a_lone_discriminators_words_become_the_generators_and_the_difference_is_zero() {
        let _guard = lock_generator();
        for (name, device) in devices() {
            let device = device.autodiff();
            let lone = DebertaForPreTraining::new(&config(3), &mut Init::new(5, 0.2, &device));
            let folder = tempfile::tempdir().unwrap();
            let folder = folder.path();
            write_folder(&lone, &config(3), folder).unwrap();
            let expected = values(lone.deberta.word_embeddings());
            for sharing in [
                Sharing::GradientDisentangled,
                Sharing::Embeddings,
                Sharing::None,
            ] {
                let heard = Heard::default();
                let fresh = pair(sharing, 2, &device);
                let (before, _) = words(&fresh);
                let origins = Origins {
                    model: Some(folder),
                    generator: None,
                };
                let started = fresh.started(sharing, origins, &heard).unwrap();
                let (of_generator, of_discriminator) = words(&started);
                let row = format!("{name} {sharing:?}");
                assert_eq!(of_discriminator, expected, "{row}");
                match sharing {
                    Sharing::None => assert_eq!(of_generator, before, "{row}"),
                    _ => assert_eq!(of_generator, expected, "{row}"),
                }
                match (sharing, own_words(&started)) {
                    (Sharing::GradientDisentangled, Some(difference)) => {
                        assert!(difference.iter().all(|&value| value == 0.0), "{row}");
                    }
                    (Sharing::None, Some(own)) => assert_eq!(own, expected, "{row}"),
                    (_, own) => assert_eq!(own, None, "{row}"),
                }
                assert!(heard.said("holds a discriminator alone"), "{row}");
                let table = &started.generator.deberta.embeddings.word_embeddings;
                assert!(table.weight.val().is_require_grad(), "{row}: it is trained");
            }
        }
    }

    /// The discriminator reads with what it read with, up to two roundings: the difference is rounded
    /// to 2⁻²⁴ of itself, the sum to 2⁻²⁴ of the table. Together that is at most one spacing of the
    /// larger one.
    #[test]
    fn a_pairs_difference_gives_the_discriminators_table_back() {
        let _guard = lock_generator();
        for (name, device) in devices() {
            let device = device.autodiff();
            let other = pair(Sharing::None, 7, &device);
            let folder = tempfile::tempdir().unwrap();
            let folder = folder.path();
            let config = PairConfig {
                discriminator: config(3),
                generator: config(2),
                sharing: Sharing::None,
            };
            other.write(&config, None, folder).unwrap();
            let (of_generator, of_discriminator) = words(&other);

            let heard = Heard::default();
            let sharing = Sharing::GradientDisentangled;
            let origins = Origins {
                model: Some(folder),
                generator: None,
            };
            let started = pair(sharing, 2, &device)
                .started(sharing, origins, &heard)
                .unwrap();
            let found = words(&started);
            assert_eq!(found.0, of_generator, "{name}");
            let difference = own_words(&started).unwrap();
            let mut largest = 0.0_f32;
            for ((found, expected), difference) in
                found.1.iter().zip(&of_discriminator).zip(&difference)
            {
                let bound = f32::EPSILON * expected.abs().max(difference.abs());
                assert!(
                    (found - expected).abs() <= bound,
                    "{name}: {found} {expected}"
                );
                largest = largest.max(difference.abs());
            }
            assert!(
                largest > 0.1,
                "{name}: two tables that have nothing in common"
            );
            let messages = heard.0.into_inner().unwrap();
            assert!(messages.is_empty(), "{name}: {messages:?}");

            // One table can't be both.
            let heard = Heard::default();
            let sharing = Sharing::Embeddings;
            let started = pair(sharing, 2, &device)
                .started(sharing, origins, &heard)
                .unwrap();
            assert_eq!(
                words(&started),
                (of_generator.clone(), of_generator),
                "{name}"
            );
            assert!(heard.said("not used from"), "{name}");
        }
    }

    #[test]
    fn a_generator_alone_brings_its_words_to_both() {
        let _guard = lock_generator();
        let (name, device) = devices().remove(0);
        let lone = DebertaForMaskedLm::new(
            &config(2),
            MaskedLmForm::Enhanced,
            &mut Init::new(9, 0.2, &device),
        );
        let folder = tempfile::tempdir().unwrap();
        write_masked_lm(&lone, &config(2), folder.path()).unwrap();
        let expected = values(lone.deberta.word_embeddings());
        let sharing = Sharing::GradientDisentangled;
        let origins = Origins {
            model: None,
            generator: Some(folder.path()),
        };
        let heard = Heard::default();
        let started = pair(sharing, 2, &device)
            .started(sharing, origins, &heard)
            .unwrap();
        assert_eq!(words(&started), (expected.clone(), expected), "{name}");
    }

    /// Hugging Face's own head stays behind, and its models have no positions for the mask decoder.
    #[test]
    fn a_masked_language_model_keeps_its_encoder_and_says_what_is_fresh() {
        let _guard = lock_generator();
        let (name, device) = devices().remove(0);
        let seeded = |seed, form| {
            DebertaForMaskedLm::new(&config(2), form, &mut Init::new(seed, 0.2, &device))
        };
        let folder = tempfile::tempdir().unwrap();
        let legacy = seeded(3, MaskedLmForm::Legacy);
        write_masked_lm(&legacy, &config(2), folder.path()).unwrap();
        let heard = Heard::default();
        let fresh = seeded(2, MaskedLmForm::Enhanced);
        let started = start_masked_lm(fresh.clone(), folder.path(), &heard).unwrap();
        let tensors = |model: &DebertaForMaskedLm| module_tensors(model, &NAMES).unwrap();
        let (of_legacy, of_fresh) = (tensors(&legacy), tensors(&fresh));
        let mut loaded = 0;
        for tensor in tensors(&started) {
            let is_new = tensor.name.starts_with("lm_predictions")
                || tensor.name.ends_with("position_embeddings.weight");
            let expected = if is_new { &of_fresh } else { &of_legacy };
            assert!(expected.contains(&tensor), "{name}: {}", tensor.name);
            loaded += usize::from(!is_new);
        }
        assert!(loaded > 30, "{name}: {loaded}");
        assert!(heard.said("position_embeddings"), "{name}");
        assert!(heard.said("lm_predictions.lm_head.dense.weight"), "{name}");
        assert!(heard.said("not used from"), "{name}");
    }
}
