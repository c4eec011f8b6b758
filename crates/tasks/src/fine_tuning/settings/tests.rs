use super::*;

#[test]
fn settings_are_written_only_where_they_say_something() {
    let text = serde_json::to_string(&FineTuningSettings::default()).unwrap();
    assert_eq!(text, "{}");
    let settings = FineTuningSettings {
        class_weights: vec![1.0, 2.5],
        positive_weights: vec![0.5, 4.0],
        label_smoothing: 0.1,
        freeze_embeddings: true,
        freeze_layers: 3,
        ..FineTuningSettings::default()
    };
    let text = serde_json::to_string(&settings).unwrap();
    assert_eq!(
        text,
        r#"{"class_weights":[1.0,2.5],"positive_weights":[0.5,4.0],"label_smoothing":0.1,"freeze_embeddings":true,"freeze_layers":3}"#
    );
    let back: FineTuningSettings = serde_json::from_str(&text).unwrap();
    assert_eq!(back, settings);
    assert!(serde_json::from_str::<FineTuningSettings>(r#"{"freeze": 3}"#).is_err());
}

#[test]
fn settings_that_nothing_can_be_trained_with_are_refused_by_name() {
    let refused = |change: fn(&mut FineTuningSettings)| {
        let mut settings = FineTuningSettings::default();
        change(&mut settings);
        settings.validate().unwrap_err()
    };
    assert!(
        refused(|settings| settings.class_weights = vec![1.0, -0.5]).contains("-0.5 is no weight")
    );
    assert!(
        refused(|settings| settings.class_weights = vec![f64::NAN]).contains("NaN is no weight")
    );
    assert!(refused(|settings| settings.class_weights = vec![0.0; 2]).contains("all are 0"));
    for weight in [-1.0, f64::NAN, f64::INFINITY] {
        let settings = FineTuningSettings {
            positive_weights: vec![1.0, weight],
            ..FineTuningSettings::default()
        };
        let refusal = settings.validate().unwrap_err();
        assert!(
            refusal.starts_with(&format!("positive_weights: {weight}")),
            "{refusal}"
        );
    }
    for smoothing in [1.0, -0.1, f64::NAN] {
        let settings = FineTuningSettings {
            label_smoothing: smoothing,
            ..FineTuningSettings::default()
        };
        let refusal = settings.validate().unwrap_err();
        assert!(refusal.starts_with("label_smoothing = "), "{refusal}");
    }
}

#[test]
fn embeddings_and_the_lowest_layers_are_frozen_each_by_itself() {
    let frozen = |freeze_embeddings, freeze_layers, path: &str| {
        let settings = FineTuningSettings {
            freeze_embeddings,
            freeze_layers,
            ..FineTuningSettings::default()
        };
        settings.freezes(path)
    };
    let (table, first, second, head) = (
        "bert.embeddings.word_embeddings.weight",
        "bert.encoder.layer.0.output.dense.weight",
        "bert.encoder.layer.1.output.dense.weight",
        "classifier.weight",
    );
    for (embeddings, layers, expected) in [
        (false, 0, [false; 4]),
        (true, 0, [true, false, false, false]),
        (false, 1, [false, true, false, false]),
        (true, 2, [true, true, true, false]),
    ] {
        let found = [table, first, second, head].map(|path| frozen(embeddings, layers, path));
        assert_eq!(found, expected, "{embeddings} {layers}");
    }
}

#[test]
fn with_adapters_all_else_but_the_head_is_frozen_and_low_adapters_may_be_too() {
    let settings = FineTuningSettings {
        lora: Some(LoraSettings::new(8, &["query"])),
        freeze_layers: 1,
        ..FineTuningSettings::default()
    };
    let text = serde_json::to_string(&settings).unwrap();
    assert_eq!(
        text,
        r#"{"freeze_layers":1,"lora":{"rank":8,"alpha":8.0,"targets":["query"]}}"#
    );
    let back: FineTuningSettings = serde_json::from_str(&text).unwrap();
    assert_eq!(back, settings);
    for (path, is_frozen) in [
        ("bert.embeddings.word_embeddings.weight", true),
        (
            "bert.encoder.layer.0.attention.self_attention.query.weight.lora.a",
            true,
        ),
        (
            "bert.encoder.layer.1.attention.self_attention.query.weight",
            true,
        ),
        (
            "bert.encoder.layer.1.attention.self_attention.query.weight.lora.a",
            false,
        ),
        (
            "bert.encoder.layer.1.attention.self_attention.query.weight.lora.b",
            false,
        ),
        ("bert.pooler.dense.weight", false),
        ("classifier.weight", false),
    ] {
        assert_eq!(settings.freezes(path), is_frozen, "{path}");
    }
    let refused = FineTuningSettings {
        lora: Some(LoraSettings::new(0, &["query"])),
        ..FineTuningSettings::default()
    };
    assert!(refused.validate().unwrap_err().starts_with("lora.rank = 0"));
}
