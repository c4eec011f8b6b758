//! Layers shared by BERT-family encoders: embeddings, attention, feed-forward, heads, losses, fused operations
