//! `spm.model`: the fields of SentencePiece's `ModelProto` that decide about ids.
//!
//! Protocol buffers' wire format: each field is a varint `number << 3 | wire type` and its value.
//! Field numbers are those of `sentencepiece_model.proto`; what is not read here does not change
//! ids. Later values of a field that stands twice replace earlier ones, as the format asks.

/// How a model finds pieces: `TrainerSpec.model_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ModelKind {
    /// Words are split into the most probable pieces.
    Unigram,
    /// Words are split by joining pairs.
    Bpe,
}

impl ModelKind {
    fn number(self) -> u64 {
        match self {
            Self::Unigram => 1,
            Self::Bpe => 2,
        }
    }
}

/// What a piece is: `ModelProto.SentencePiece.Type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PieceKind {
    Normal,
    Unknown,
    Control,
    UserDefined,
    /// Has an id, but is never given.
    Unused,
    /// One byte, for what has no piece.
    Byte,
}

/// An entry of the vocabulary; its index is its id.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Piece {
    pub(super) text: String,
    /// Log-probability.
    pub(super) score: f32,
    pub(super) kind: PieceKind,
}

/// A special piece as the trainer's settings name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    /// Negative: there is none.
    pub(super) id: i32,
    pub(super) text: String,
}

impl Named {
    fn new(id: i32, text: &str) -> Self {
        let text = text.to_string();
        Self { id, text }
    }
}

/// A model.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::tokenizer) struct Model {
    pub(super) kind: ModelKind,
    pub(super) pieces: Vec<Piece>,
    pub(super) byte_fallback: bool,
    /// Empty: text is taken as it is.
    pub(super) charsmap: Vec<u8>,
    /// A space is put before the text.
    pub(super) add_dummy_prefix: bool,
    /// What stands for what is unknown, as the trainer's settings have it.
    pub(super) unk: Named,
    /// What begins a text.
    pub(super) bos: Named,
    /// What ends one.
    pub(super) eos: Named,
    /// What the model asks for that its own rules need and Kiln has not.
    pub(super) unsupported: Option<String>,
}

impl Model {
    /// A unigram model with all else as it is where nothing is said.
    pub(super) fn unigram(pieces: Vec<Piece>) -> Self {
        Self {
            kind: ModelKind::Unigram,
            pieces,
            byte_fallback: false,
            charsmap: Vec::new(),
            add_dummy_prefix: true,
            unk: Named::new(0, "<unk>"),
            bos: Named::new(1, "<s>"),
            eos: Named::new(2, "</s>"),
            unsupported: None,
        }
    }

    /// Reads a model.
    ///
    /// # Errors
    /// If the bytes are no `ModelProto`, or it asks for something that is not supported.
    pub(in crate::tokenizer) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let damaged = || "not a SentencePiece model, or damaged; get the file again".to_string();
        let mut model = Self::unigram(Vec::new());
        for field in Fields::new(bytes) {
            match field.ok_or_else(damaged)? {
                (1, Value::Bytes(piece)) => {
                    model.pieces.push(parse_piece(piece).ok_or_else(damaged)?);
                }
                (2, Value::Bytes(spec)) => model.parse_trainer(spec).ok_or_else(damaged)??,
                (3, Value::Bytes(spec)) => model.parse_normalizer(spec).ok_or_else(damaged)?,
                _ => {}
            }
        }
        if model.pieces.is_empty() {
            return Err("there are no pieces in it; is it a SentencePiece model?".to_string());
        }
        Ok(model)
    }

    /// The pieces' names, by id.
    pub(in crate::tokenizer) fn names(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().map(|piece| piece.text.as_str())
    }

    /// `None`: damaged; an inner error: not supported.
    fn parse_trainer(&mut self, bytes: &[u8]) -> Option<Result<(), String>> {
        for field in Fields::new(bytes) {
            match field? {
                (3, Value::Number(1)) => self.kind = ModelKind::Unigram,
                (3, Value::Number(2)) => self.kind = ModelKind::Bpe,
                (3, Value::Number(kind)) => {
                    let name = match kind {
                        3 => "word",
                        4 => "char",
                        _ => "unknown",
                    };
                    return Some(Err(format!(
                        "model_type is {name}; only unigram and bpe models are supported"
                    )));
                }
                (24, Value::Number(1..)) => {
                    self.unsupported = Some(unsupported("treat_whitespace_as_suffix", true));
                }
                (40, Value::Number(id)) => self.unk.id = id as i32,
                (41, Value::Number(id)) => self.bos.id = id as i32,
                (42, Value::Number(id)) => self.eos.id = id as i32,
                (45, Value::Bytes(text)) => self.unk.text = text_of(text)?,
                (46, Value::Bytes(text)) => self.bos.text = text_of(text)?,
                (47, Value::Bytes(text)) => self.eos.text = text_of(text)?,
                (35, Value::Number(value)) => self.byte_fallback = value != 0,
                _ => {}
            }
        }
        Some(Ok(()))
    }

    /// `None`: damaged.
    fn parse_normalizer(&mut self, bytes: &[u8]) -> Option<()> {
        for field in Fields::new(bytes) {
            match field? {
                (2, Value::Bytes(charsmap)) => self.charsmap = charsmap.to_vec(),
                (3, Value::Number(value)) => self.add_dummy_prefix = value != 0,
                (4, Value::Number(0)) => {
                    self.unsupported = Some(unsupported("remove_extra_whitespaces", false));
                }
                (5, Value::Number(0)) => {
                    self.unsupported = Some(unsupported("escape_whitespaces", false));
                }
                _ => {}
            }
        }
        Some(())
    }

    /// The model as `spm.model` holds it.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for piece in &self.pieces {
            let mut message = Vec::new();
            put_bytes(&mut message, 1, piece.text.as_bytes());
            put_varint(&mut message, 2 << 3 | 5);
            message.extend(piece.score.to_le_bytes());
            let kind = match piece.kind {
                PieceKind::Normal => 1,
                PieceKind::Unknown => 2,
                PieceKind::Control => 3,
                PieceKind::UserDefined => 4,
                PieceKind::Unused => 5,
                PieceKind::Byte => 6,
            };
            put_number(&mut message, 3, kind);
            put_bytes(&mut bytes, 1, &message);
        }
        put_bytes(&mut bytes, 2, &self.trainer_spec());
        let mut normalizer = Vec::new();
        put_bytes(&mut normalizer, 1, b"user_defined");
        put_bytes(&mut normalizer, 2, &self.charsmap);
        put_number(&mut normalizer, 3, self.add_dummy_prefix.into());
        put_bytes(&mut bytes, 3, &normalizer);
        bytes
    }

    /// SentencePiece finds its special pieces by name here; −1 = there is none.
    fn trainer_spec(&self) -> Vec<u8> {
        let mut spec = Vec::new();
        put_number(&mut spec, 3, self.kind.number());
        put_number(&mut spec, 4, self.pieces.len() as u64);
        put_number(&mut spec, 35, self.byte_fallback.into());
        let controls: Vec<(usize, &Piece)> = self
            .pieces
            .iter()
            .enumerate()
            .filter(|(_, piece)| piece.kind == PieceKind::Control)
            .collect();
        let unknown = self
            .pieces
            .iter()
            .enumerate()
            .find(|(_, piece)| piece.kind == PieceKind::Unknown);
        // Beginning, end, padding: DeBERTa's [CLS], [SEP], [PAD]; XLNet's first two.
        let named = |names: &[&str]| {
            controls
                .iter()
                .copied()
                .find(|(_, piece)| names.contains(&piece.text.as_str()))
        };
        for (id_field, name_field, found) in [
            (40, 45, unknown),
            (41, 46, named(&["[CLS]", "<s>"])),
            (42, 47, named(&["[SEP]", "</s>"])),
            (43, 48, named(&["[PAD]"])),
        ] {
            let id = found.map_or(u64::MAX, |(id, _)| id as u64);
            put_number(&mut spec, id_field, id);
            if let Some((_, piece)) = found {
                put_bytes(&mut spec, name_field, piece.text.as_bytes());
            }
        }
        spec
    }
}

fn text_of(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_string)
}

fn unsupported(field: &str, value: bool) -> String {
    format!(
        "{field} is {value}, which is not supported; train it with {field} = {}",
        !value
    )
}

fn parse_piece(bytes: &[u8]) -> Option<Piece> {
    let mut piece = Piece {
        text: String::new(),
        score: 0.0,
        kind: PieceKind::Normal,
    };
    for field in Fields::new(bytes) {
        match field? {
            (1, Value::Bytes(text)) => piece.text = text_of(text)?,
            (2, Value::Fixed32(score)) => piece.score = f32::from_le_bytes(score),
            (3, Value::Number(kind)) => {
                piece.kind = match kind {
                    1 => PieceKind::Normal,
                    2 => PieceKind::Unknown,
                    3 => PieceKind::Control,
                    4 => PieceKind::UserDefined,
                    5 => PieceKind::Unused,
                    6 => PieceKind::Byte,
                    _ => return None,
                };
            }
            _ => {}
        }
    }
    piece.score.is_finite().then_some(piece)
}

/// The value of a field.
enum Value<'a> {
    Number(u64),
    Fixed64,
    Bytes(&'a [u8]),
    Fixed32([u8; 4]),
}

/// The fields of a message in their order; `None` once, where it is damaged.
struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn field(&mut self) -> Option<(u64, Value<'a>)> {
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Number(self.varint()?),
            1 => {
                self.take(8)?;
                Value::Fixed64
            }
            2 => {
                let length = self.varint()?;
                Value::Bytes(self.take(usize::try_from(length).ok()?)?)
            }
            5 => Value::Fixed32(self.take(4)?.try_into().ok()?),
            _ => return None,
        };
        Some((key >> 3, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Option<(u64, Value<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.rest = &[];
        }
        Some(field)
    }
}

fn put_varint(into: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        into.push(number as u8 | 0x80);
        number >>= 7;
    }
    into.push(number as u8);
}

fn put_number(into: &mut Vec<u8>, field: u64, number: u64) {
    put_varint(into, field << 3);
    put_varint(into, number);
}

fn put_bytes(into: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_varint(into, field << 3 | 2);
    put_varint(into, bytes.len() as u64);
    into.extend(bytes);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn model() -> Model {
        let piece = |text: &str, score, kind| Piece {
            text: text.to_string(),
            score,
            kind,
        };
        Model {
            pieces: vec![
                piece("[PAD]", 0.0, PieceKind::Control),
                piece("[CLS]", 0.0, PieceKind::Control),
                piece("[UNK]", 0.0, PieceKind::Unknown),
                piece("▁ёж", -2.5, PieceKind::Normal),
                piece("<0x41>", 0.0, PieceKind::Byte),
            ],
            byte_fallback: true,
            charsmap: vec![1, 2, 200],
            add_dummy_prefix: false,
            kind: ModelKind::Bpe,
            unk: Named::new(2, "[UNK]"),
            bos: Named::new(1, "[CLS]"),
            eos: Named::new(-1, "</s>"),
            unsupported: None,
        }
    }

    #[test]
    fn a_model_is_the_same_after_writing_and_reading() {
        assert_eq!(Model::parse(&model().to_bytes()).unwrap(), model());
    }

    #[test]
    fn other_kinds_of_models_are_refused_by_name() {
        let with = |spec: u64, field: u64, value: u64| {
            let mut bytes = model().to_bytes();
            let mut message = Vec::new();
            put_number(&mut message, field, value);
            put_bytes(&mut bytes, spec, &message);
            Model::parse(&bytes).map_or_else(|error| error, |model| model.unsupported.unwrap())
        };
        assert!(with(2, 3, 3).starts_with("model_type is word;"));
        assert!(with(2, 3, 4).starts_with("model_type is char;"));
        assert!(with(2, 24, 1).starts_with("treat_whitespace_as_suffix is true"));
        assert!(with(3, 4, 0).starts_with("remove_extra_whitespaces is false"));
        assert!(with(3, 5, 0).starts_with("escape_whitespaces is false"));
        assert!(Model::parse(b"").unwrap_err().contains("no pieces"));
        assert!(Model::parse(b"PK\x03\x04").unwrap_err().contains("damaged"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_model_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Model::parse(&bytes);
        }

        #[test]
        fn a_cut_or_changed_model_is_a_model_or_refused(at in any::<prop::sample::Index>(), byte: u8) {
            let mut bytes = model().to_bytes();
            let at = at.index(bytes.len());
            let _ = Model::parse(&bytes[..at]);
            bytes[at] = byte;
            let _ = Model::parse(&bytes);
        }
    }
}
