//! Texts in padded batches, and one by one.

use kiln_electra::{ElectraConfig, ElectraForMaskedLm, ElectraForPreTraining, ElectraModel};
use kiln_nn::Init;
use kiln_tasks::family::write_folder;
use kiln_testing::{check_embed, check_fill_mask, check_replaced_tokens, devices};

#[test]
fn texts_are_answered_in_padded_batches_as_each_alone() {
    let config = ElectraConfig {
        vocab_size: 8,
        embedding_size: Some(6),
        hidden_size: 12,
        num_hidden_layers: 2,
        num_attention_heads: 3,
        intermediate_size: 17,
        max_position_embeddings: 10,
        ..ElectraConfig::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let words = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\ncat\nsat\n";
    std::fs::write(folder.path().join("vocab.txt"), words).unwrap();
    for on in devices() {
        let init = &mut Init::new(3, 0.3, &on.1);
        write_folder(
            &ElectraForMaskedLm::new(&config, init),
            &config,
            folder.path(),
        )
        .unwrap();
        let texts = [
            "[MASK]",
            "the [MASK] sat [MASK]",
            "cat [MASK]",
            "sat the [MASK] cat",
        ];
        check_fill_mask::<ElectraForMaskedLm>(folder.path(), &texts, &on);

        let model = ElectraForPreTraining::new(&config, init);
        write_folder(&model, &config, folder.path()).unwrap();
        let texts = ["the", "the cat sat the cat", "", "cat sat"];
        check_replaced_tokens::<ElectraForPreTraining>(folder.path(), &texts, &on);
        check_embed::<ElectraModel>(folder.path(), &texts, &on);
    }
}
