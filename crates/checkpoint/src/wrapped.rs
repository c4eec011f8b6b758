//! Names behind the names of what a model was wrapped in when it was saved.
//!
//! `DataParallel` puts `module.` before every name, `torch.compile` `_orig_mod.`, a class of
//! someone's own `model.`; a training script saves its state dict under a key, beside the
//! optimizer's state. Where all tensors of a file but those of the training state stand behind one
//! such word, the word says nothing and is taken away.

/// The keys of a state dict: what stands under no such key is none of the model's.
const KEYS: [&str; 2] = ["state_dict.", "model_state_dict."];

/// What is put before all names.
const WRAPPERS: [&str; 10] = [
    "module.",
    "_orig_mod.",
    "_forward_module.",
    "0.auto_model.",
    "auto_model.",
    "model.",
    "net.",
    "network.",
    "encoder_model.",
    "bert_model.",
];

/// How names begin of what a training script saves beside its model.
const TRAINING: [&str; 14] = [
    "optimizer",
    "optim",
    "opt",
    "lr_scheduler",
    "scheduler",
    "sched",
    "scaler",
    "amp",
    "callbacks",
    "loops",
    "rng_state",
    "args",
    "hparams",
    "hyper_parameters",
];

/// The needless beginning that all `names` share, those of a training state aside; empty where there
/// is none.
pub(crate) fn wrapper<'a>(names: impl Iterator<Item = &'a str> + Clone) -> String {
    let mut wrapper = String::new();
    loop {
        let rest = names.clone().filter(|name| !is_training(name));
        let rest: Vec<&str> = rest
            .filter_map(|name| name.strip_prefix(&*wrapper))
            .collect();
        let Some(next) = outermost(&rest) else {
            return wrapper;
        };
        wrapper.push_str(next);
    }
}

/// The needless word that all names begin with.
fn outermost<'a>(names: &[&'a str]) -> Option<&'a str> {
    // An architecture's own prefix, such as `bert.`, which a class of someone's own may put before all
    // names again.
    let first = names.first()?;
    let base = first.find('.').and_then(|dot| first.get(..=dot));
    let is_before_one = |word: &&str| names.iter().any(|name| name.starts_with(*word));
    let is_before_all = |word: &&str| names.iter().all(|name| name.starts_with(*word));
    let is_doubled = |base: &&str| {
        let doubled = |name: &&str| {
            let inner = name.strip_prefix(*base);
            inner.is_some_and(|inner| inner.starts_with(*base))
        };
        names.iter().any(doubled)
    };
    let key = KEYS.into_iter().find(is_before_one);
    let wrapper = key.or_else(|| WRAPPERS.into_iter().find(is_before_all));
    wrapper.or_else(|| base.filter(is_before_all).filter(is_doubled))
}

/// Whether a name is of a training state's and not of a model's.
pub(crate) fn is_training(name: &str) -> bool {
    let first = name.split('.').next().unwrap_or_default();
    TRAINING
        .iter()
        .any(|word| first == *word || first.strip_prefix(*word).is_some_and(is_kind_of_state))
}

/// `optimizer_state_dict`, `optimizer_states`.
fn is_kind_of_state(rest: &str) -> bool {
    rest.starts_with("_state") || rest == "s"
}

/// The name behind `wrapper`; none for a training state's where there is a wrapper.
pub(crate) fn unwrapped<'a>(wrapper: &str, name: &'a str) -> Option<&'a str> {
    match wrapper {
        "" => Some(name),
        _ => name.strip_prefix(wrapper).filter(|_| !is_training(name)),
    }
}

/// What `names` put before the name `expected`, if one ends with it.
pub(crate) fn prefix_before<'a>(
    names: impl Iterator<Item = &'a str>,
    expected: &str,
) -> Option<&'a str> {
    let mut prefixes = names.filter_map(|name| name.strip_suffix(expected));
    prefixes.find(|prefix| prefix.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> String {
        wrapper(names.iter().copied())
    }

    #[test]
    fn a_word_before_all_names_is_taken_for_a_wrapper_however_many_there_are() {
        for word in [
            "module.",
            "_orig_mod.",
            "model.",
            "0.auto_model.",
            "module._orig_mod.",
            "state_dict.model.",
            "model_state_dict.module.",
        ] {
            let names = [
                "bert.embeddings.word_embeddings.weight",
                "cls.predictions.bias",
            ];
            let wrapped = names.map(|name| format!("{word}{name}"));
            let wrapped = wrapped.each_ref().map(String::as_str);
            assert_eq!(of(&wrapped), word);
            for (wrapped, name) in wrapped.iter().zip(names) {
                assert_eq!(unwrapped(word, wrapped), Some(name));
            }
        }
    }

    #[test]
    fn a_training_state_beside_the_model_is_left_aside() {
        let names = [
            "model.bert.pooler.dense.bias",
            "optimizer.state.0.exp_avg",
            "optimizer_state_dict.state.1.exp_avg",
            "optimizer_states.0.state.3.exp_avg",
            "lr_scheduler.x",
        ];
        assert_eq!(of(&names), "model.");
        assert_eq!(unwrapped("model.", names[1]), None);
        // Without a wrapper everything stays.
        assert_eq!(unwrapped("", names[1]), Some(names[1]));
        // Under a key stands the model, and nothing of it beside.
        let names = [
            "state_dict.bert.pooler.dense.bias",
            "best",
            "ema.bert.pooler.dense.bias",
        ];
        assert_eq!(of(&names), "state_dict.");
        assert_eq!(
            names.map(|name| unwrapped("state_dict.", name)),
            [Some("bert.pooler.dense.bias"), None, None]
        );
    }

    #[test]
    fn names_that_do_not_all_begin_alike_stay() {
        for names in [
            &["module.bert.a", "classifier.weight"][..],
            &["bert.embeddings.a", "bert.encoder.b"],
            &["bert.bert.a", "bert.cls.b", "classifier.weight"],
            &["embeddings.a", "encoder.layer.0.b"],
            &["transformer.layer.0.a", "lm_loss.bias"],
            &[],
        ] {
            assert_eq!(of(names), "", "{names:?}");
        }
        for base in ["bert.", "roberta.", "transformer."] {
            let doubled = [format!("{base}{base}a"), format!("{base}head.b")];
            assert_eq!(of(&doubled.each_ref().map(String::as_str)), base);
        }
    }

    #[test]
    fn what_stands_before_a_name_is_found() {
        let names = ["x.y.bert.a", "xbert.a", "bert.a"];
        assert_eq!(prefix_before(names.into_iter(), "bert.a"), Some("x.y."));
        assert_eq!(prefix_before(["bert.a"].into_iter(), "bert.a"), None);
    }
}
