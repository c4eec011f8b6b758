//! Hidden states and relative embeddings to queries, keys and values, in the layouts of v1 and of
//! v2.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::Tensor;
use kiln_nn::fused::linear;
use kiln_nn::{Init, like, project, split_heads};

use crate::DebertaConfig;
use crate::config::DebertaVersion;

/// Keys and values of one layer.
#[derive(Debug, Clone)]
pub struct KeysValues {
    /// `[batch, heads, key_len, head_size]`
    pub key: Tensor<4>,
    /// `[batch, heads, key_len, head_size]`
    pub value: Tensor<4>,
}

/// The projections of one layer's attention.
#[derive(Module, Debug)]
pub enum Projections {
    /// v1's.
    Fused(FusedProjections),
    /// v2's and v3's.
    Separate(SeparateProjections),
}

/// v1: one matrix for query, key and value, and none of a bias for keys.
#[derive(Module, Debug)]
pub struct FusedProjections {
    /// Each head's outputs stand together: its query, its key, its value.
    in_proj: Linear,
    /// `[hidden_size]`, head by head
    q_bias: Param<Tensor<1>>,
    /// `[hidden_size]`, head by head
    v_bias: Param<Tensor<1>>,
    pos_proj: Option<Linear>,
    pos_q_proj: Option<Linear>,
    #[module(skip)]
    num_attention_heads: usize,
}

/// v2 and v3: a matrix and a bias each. Relative embeddings have their own, or share these.
#[derive(Module, Debug)]
pub struct SeparateProjections {
    query_proj: Linear,
    key_proj: Linear,
    value_proj: Linear,
    pos_key_proj: Option<Linear>,
    pos_query_proj: Option<Linear>,
    #[module(skip)]
    num_attention_heads: usize,
}

impl Projections {
    /// Draws the matrices; biases are zero.
    pub fn new(config: &DebertaConfig, init: &mut Init) -> Self {
        match config.version() {
            DebertaVersion::V1 => Self::Fused(FusedProjections::new(config, init)),
            DebertaVersion::V2 => Self::Separate(SeparateProjections::new(config, init)),
        }
    }

    /// Queries, keys and values of the same hidden states.
    ///
    /// # Shapes
    /// - `hidden_states`: `[batch, seq_len, hidden_size]`
    /// - returns queries `[batch, heads, seq_len, head_size]`
    pub fn query_and_keys_values(&self, hidden_states: Tensor<3>) -> (Tensor<4>, KeysValues) {
        match self {
            Self::Fused(projections) => projections.query_and_keys_values(hidden_states),
            Self::Separate(_) => (
                self.query(hidden_states.clone()),
                self.keys_values(hidden_states),
            ),
        }
    }

    /// Queries alone.
    ///
    /// # Shapes
    /// - `query_states`: `[batch, query_len, hidden_size]`
    /// - returns `[batch, heads, query_len, head_size]`
    pub fn query(&self, query_states: Tensor<3>) -> Tensor<4> {
        match self {
            Self::Fused(projections) => projections.query(query_states),
            Self::Separate(projections) => projections.split(&projections.query_proj, query_states),
        }
    }

    /// Keys and values alone.
    ///
    /// # Shapes
    /// - `hidden_states`: `[batch, key_len, hidden_size]`
    pub fn keys_values(&self, hidden_states: Tensor<3>) -> KeysValues {
        match self {
            Self::Fused(projections) => projections.keys_values(hidden_states),
            Self::Separate(projections) => KeysValues {
                key: projections.split(&projections.key_proj, hidden_states.clone()),
                value: projections.split(&projections.value_proj, hidden_states),
            },
        }
    }

    /// Relative embeddings as keys, for the term content to position.
    ///
    /// # Shapes
    /// - `table`: `[rows, hidden_size]`
    /// - returns `[1, heads, rows, head_size]`
    pub fn position_key(&self, table: Tensor<2>) -> Option<Tensor<4>> {
        self.positions(table, |projections| match projections {
            Self::Fused(own) => own.pos_proj.as_ref(),
            Self::Separate(own) => own.pos_key_proj.as_ref().or(Some(&own.key_proj)),
        })
    }

    /// Relative embeddings as queries, for the term position to content.
    ///
    /// # Shapes
    /// - `table`: `[rows, hidden_size]`
    /// - returns `[1, heads, rows, head_size]`
    pub fn position_query(&self, table: Tensor<2>) -> Option<Tensor<4>> {
        self.positions(table, |projections| match projections {
            Self::Fused(own) => own.pos_q_proj.as_ref(),
            Self::Separate(own) => own.pos_query_proj.as_ref().or(Some(&own.query_proj)),
        })
    }

    fn positions(
        &self,
        table: Tensor<2>,
        projection: impl Fn(&Self) -> Option<&Linear>,
    ) -> Option<Tensor<4>> {
        let heads = match self {
            Self::Fused(own) => own.num_attention_heads,
            Self::Separate(own) => own.num_attention_heads,
        };
        let projection = projection(self)?;
        let projected = project(projection, like(table, &projection.weight.val()));
        Some(split_heads(projected.unsqueeze::<3>(), heads))
    }
}

impl FusedProjections {
    fn new(config: &DebertaConfig, init: &mut Init) -> Self {
        let size = config.hidden_size;
        let relative = config.relative_attention;
        Self {
            in_proj: init.linear_without_bias(size, 3 * size),
            q_bias: init.filled([size], 0.0),
            v_bias: init.filled([size], 0.0),
            pos_proj: (relative && config.content_to_position())
                .then(|| init.linear_without_bias(size, size)),
            pos_q_proj: (relative && config.position_to_content()).then(|| init.linear(size, size)),
            num_attention_heads: config.num_attention_heads,
        }
    }

    fn query_and_keys_values(&self, hidden_states: Tensor<3>) -> (Tensor<4>, KeysValues) {
        let heads = split_heads(
            project(&self.in_proj, hidden_states),
            self.num_attention_heads,
        );
        let [_, _, _, three_sizes] = heads.dims();
        let size = three_sizes / 3;
        let third = |index: usize| heads.clone().narrow(3, index * size, size);
        let query = third(0) + self.bias(&self.q_bias);
        let value = third(2) + self.bias(&self.v_bias);
        (
            query,
            KeysValues {
                key: third(1),
                value,
            },
        )
    }

    fn query(&self, query_states: Tensor<3>) -> Tensor<4> {
        self.project(query_states, 0) + self.bias(&self.q_bias)
    }

    fn keys_values(&self, hidden_states: Tensor<3>) -> KeysValues {
        KeysValues {
            key: self.project(hidden_states.clone(), 1),
            value: self.project(hidden_states, 2) + self.bias(&self.v_bias),
        }
    }

    /// The queries (0), keys (1) or values (2), without their bias. The mask decoder's, which is pretrained
    /// alone: there is no dropout of adapters here.
    fn project(&self, hidden_states: Tensor<3>, third: usize) -> Tensor<4> {
        let heads = self.num_attention_heads;
        let weight = self.in_proj.weight.val();
        let [inputs, outputs] = weight.dims();
        let size = outputs / (3 * heads);
        let weight = weight
            .reshape([inputs, heads, 3 * size])
            .narrow(2, third * size, size)
            .reshape([inputs, heads * size]);
        split_heads(linear(hidden_states, weight, None), heads)
    }

    /// `[1, heads, 1, head_size]`
    fn bias(&self, bias: &Param<Tensor<1>>) -> Tensor<4> {
        let (bias, heads) = (bias.val(), self.num_attention_heads);
        let [size] = bias.dims();
        bias.reshape([1, heads, 1, size / heads])
    }
}

impl SeparateProjections {
    fn new(config: &DebertaConfig, init: &mut Init) -> Self {
        let size = config.hidden_size;
        let has_own = config.relative_attention && !config.shares_position_projections();
        Self {
            query_proj: init.linear(size, size),
            key_proj: init.linear(size, size),
            value_proj: init.linear(size, size),
            pos_key_proj: (has_own && config.content_to_position())
                .then(|| init.linear(size, size)),
            pos_query_proj: (has_own && config.position_to_content())
                .then(|| init.linear(size, size)),
            num_attention_heads: config.num_attention_heads,
        }
    }

    fn split(&self, projection: &Linear, hidden_states: Tensor<3>) -> Tensor<4> {
        split_heads(project(projection, hidden_states), self.num_attention_heads)
    }
}
