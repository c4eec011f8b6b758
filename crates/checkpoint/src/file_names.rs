//! The names of files in a model folder.

/// The name of the file with a model's config.
pub const CONFIG_FILE: &str = "config.json";

/// The names of weights that are looked for in a folder, the preferred first.
pub const WEIGHTS_FILES: [&str; 4] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
];
