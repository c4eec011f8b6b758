//! BERT: model, masked language modelling, next sentence prediction, Hugging Face names
