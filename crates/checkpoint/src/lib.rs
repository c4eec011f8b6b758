//! Hugging Face model folders in and out: config.json, safetensors, pytorch_model.bin, tokenizer files
