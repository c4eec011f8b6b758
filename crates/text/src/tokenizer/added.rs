//! The tokens that a folder's files add to its vocabulary, as transformers (5.23) adds them.
//!
//! Five places may name one. In this order they are added, each only if none before it did; a token
//! that the vocabulary has keeps its id, another gets the next free one, whatever id its file states:
//!
//! 1. `added_tokens_decoder` in tokenizer_config.json, by id. Where it stands, special_tokens_map.json
//!    and added_tokens.json are not read at all.
//! 2. added_tokens.json, by id; the tokens of a tokenizer.json of which transformers takes only the
//!    vocabulary stand with them, and win where both have an id.
//! 3. the special tokens that have names (`unk_token`, …), in either file, special_tokens_map.json
//!    before tokenizer_config.json; the class's own where neither names one.
//! 4. tokens under other names (`…_token`), or in a dictionary `extra_special_tokens`.
//! 5. the list `extra_special_tokens`, or `additional_special_tokens` as it was called.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};
use tokenizers::AddedToken;

use super::class::{Class, NAMED};
use super::xlnet;

/// A token as a file names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A token is given by its text alone.
    Text(String),
    /// A token is given with how it is found.
    Whole(AddedToken),
}

impl Token {
    pub(super) fn content(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Whole(token) => &token.content,
        }
    }

    /// A string, or an object with a `content`.
    pub(super) fn parse(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(Self::Text(text.clone())),
            value => added_token(value, false).map(Self::Whole),
        }
    }

    fn into_added(self) -> AddedToken {
        match self {
            Self::Text(text) => AddedToken::from(text, true),
            Self::Whole(token) => token,
        }
    }
}

/// A token's object; what it does not say is as in `tokenizers`.
pub(super) fn added_token(value: &Value, is_special: bool) -> Option<AddedToken> {
    let fields = value.as_object()?;
    let flag = |name: &str| match fields.get(name) {
        None | Some(Value::Null) => Some(None),
        Some(value) => value.as_bool().map(Some),
    };
    let special = is_special || flag("special")?.unwrap_or(false);
    Some(AddedToken {
        content: fields.get("content")?.as_str()?.to_string(),
        single_word: flag("single_word")?.unwrap_or(false),
        lstrip: flag("lstrip")?.unwrap_or(false),
        rstrip: flag("rstrip")?.unwrap_or(false),
        normalized: flag("normalized")?.unwrap_or(!special),
        special,
    })
}

/// What the files add.
#[derive(Debug, Clone, Default)]
pub(super) struct Added {
    /// `added_tokens_decoder`; or added_tokens.json, and then tokenizer.json's.
    pub(super) by_id: Vec<(u64, AddedToken)>,
    /// The files that state these ids, and how many of them each.
    stated_in: Vec<(&'static str, usize)>,
    /// The named ones and those under other names, with their fields.
    pub(super) named: Vec<(String, Token)>,
    /// `extra_special_tokens`.
    pub(super) extra: Vec<Token>,
    /// Whether they are `additional_special_tokens` of special_tokens_map.json, which those of a
    /// model file replace.
    extra_is_late: bool,
}

impl Added {
    /// Merges the fields of special_tokens_map.json over those of tokenizer_config.json, in `config`,
    /// and reads the tokens; `of_json`: those of a tokenizer.json.
    ///
    /// # Errors
    /// If a token is written otherwise than tokens are; names the field.
    pub(super) fn read(
        config: &mut Map<String, Value>,
        special_tokens_map: &Map<String, Value>,
        added_tokens: &Map<String, Value>,
        of_json: &[(u64, AddedToken)],
        class: Option<Class>,
    ) -> Result<Self, String> {
        let mut added = Self::default();
        if !is_truthy(config.get("extra_special_tokens"))
            && let Some(list) = config.shift_remove("additional_special_tokens")
        {
            config.insert("extra_special_tokens".to_string(), list);
        }
        if let Some(decoder) = config.get("added_tokens_decoder") {
            added.by_id = decoder_tokens(decoder)?;
            let file = "added_tokens_decoder in tokenizer_config.json";
            added.stated_in = vec![(file, added.by_id.len())];
        } else {
            merge(config, special_tokens_map);
            added.by_id = listed(added_tokens, config)?;
            let taken: HashSet<u64> = of_json.iter().map(|(id, _)| *id).collect();
            added.by_id.retain(|(id, _)| !taken.contains(id));
            added.stated_in = vec![
                ("added_tokens.json", added.by_id.len()),
                ("tokenizer.json", of_json.len()),
            ];
            added.by_id.extend(of_json.iter().cloned());
        }
        if !config.contains_key("extra_special_tokens")
            && let Some(list) = config.shift_remove("additional_special_tokens")
        {
            config.insert("extra_special_tokens".to_string(), list);
            added.extra_is_late = true;
        }
        added.named = added.named_tokens(config, class)?;
        match config.get("extra_special_tokens") {
            None if class == Some(Class::Xlnet) => {
                let own = [xlnet::END_OF_PARAGRAPH, xlnet::END_OF_DOCUMENT];
                added.extra = own.map(|token| Token::Text(token.to_string())).to_vec();
            }
            None | Some(Value::Null) => {}
            Some(Value::Array(tokens)) => {
                let tokens = tokens.iter().map(|token| match token {
                    // As older versions wrote it, in a list of special tokens.
                    Value::Object(fields) if !fields.contains_key("__type") => {
                        added_token(token, true).map(Token::Whole)
                    }
                    token => Token::parse(token),
                });
                added.extra = tokens
                    .collect::<Option<_>>()
                    .ok_or_else(|| unreadable("extra_special_tokens"))?;
            }
            // Read with the named ones.
            Some(Value::Object(_)) => {}
            Some(_) => return Err(unreadable("extra_special_tokens")),
        }
        Ok(added)
    }

    /// The named tokens of a merged config.
    fn named_tokens(
        &self,
        config: &Map<String, Value>,
        class: Option<Class>,
    ) -> Result<Vec<(String, Token)>, String> {
        let mut named = Vec::new();
        for field in NAMED {
            let token = match config.get(field) {
                Some(Value::Null) => None,
                Some(value) => {
                    let token = Token::parse(value).ok_or_else(|| unreadable(field))?;
                    let known = self.by_id.iter().map(|(_, known)| known);
                    let known = known.rev().find(|known| known.content == token.content());
                    Some(known.map_or(token, |known| Token::Whole(known.clone())))
                }
                None => {
                    let of_class = class.and_then(|class| class.special_token(field));
                    of_class.map(|token| Token::Text(token.to_string()))
                }
            };
            named.extend(token.map(|token| (field.to_string(), token)));
        }
        for (field, value) in config {
            if field.ends_with("_token")
                && !NAMED.contains(&field.as_str())
                && let Some(token) = Token::parse(value)
            {
                named.push((field.clone(), token));
            }
        }
        if let Some(Value::Object(tokens)) = config.get("extra_special_tokens") {
            for (field, value) in tokens {
                let token = Token::parse(value)
                    .ok_or_else(|| unreadable(&format!("extra_special_tokens.{field}")))?;
                named.push((field.clone(), token));
            }
        }
        Ok(named)
    }

    /// The tokens to add to a tokenizer that has `present`, in order.
    pub(super) fn to_add(&self, present: &[AddedToken]) -> Vec<AddedToken> {
        let mut by_id: Vec<&(u64, AddedToken)> = self.by_id.iter().collect();
        by_id.sort_by_key(|(id, _)| *id);
        let found: HashSet<&AddedToken> = present.iter().collect();
        let mut tokens: Vec<AddedToken> = by_id
            .into_iter()
            .map(|(_, token)| token)
            .filter(|token| !found.contains(token))
            .cloned()
            .collect();
        let known: HashSet<String> = present
            .iter()
            .chain(&tokens)
            .map(|token| token.content.clone())
            .collect();
        let named = self.named.iter().map(|(_, token)| token);
        // One text may be there twice, by itself and with how it is found: the last one counts.
        let mut more: Vec<&Token> = Vec::new();
        for token in named.clone().chain(&self.extra) {
            if !known.contains(token.content()) && !more.contains(&token) {
                more.push(token);
            }
        }
        tokens.extend(more.into_iter().cloned().map(Token::into_added));
        let names: HashSet<&str> = named.map(Token::content).collect();
        for token in &mut tokens {
            token.special |= names.contains(token.content.as_str());
        }
        tokens
    }

    /// The text of a named token.
    pub(super) fn name(&self, field: &str) -> Option<&str> {
        let named = self.named.iter().find(|(name, _)| name == field);
        named.map(|(_, token)| token.content())
    }

    /// Names a token that no file names.
    pub(super) fn name_if_missing(&mut self, field: &str, token: &str) {
        if self.name(field).is_none() {
            let token = Token::Text(token.to_string());
            self.named.push((field.to_string(), token));
            let place = |field: &str| NAMED.iter().position(|named| *named == field);
            self.named
                .sort_by_key(|(field, _)| place(field).unwrap_or(NAMED.len()));
        }
    }

    /// Takes a model file's own tokens for `extra_special_tokens`, unless a file lists others.
    pub(super) fn take_extra(&mut self, fields: &Map<String, Value>, own: Vec<AddedToken>) {
        if !fields.contains_key("extra_special_tokens") || self.extra_is_late {
            self.extra = own.into_iter().map(Token::Whole).collect();
        }
    }

    /// A token that is named by its text alone takes the space before it along.
    pub(super) fn strip_before(&mut self, field: &str) {
        for (name, token) in &mut self.named {
            if name == field
                && let Token::Text(text) = token
            {
                *token = Token::Whole(AddedToken::from(text.as_str(), true).lstrip(true));
            }
        }
    }

    /// Whether a file lists the token, other than by naming it.
    pub(super) fn gives(&self, token: &str) -> bool {
        self.by_id.iter().any(|(_, known)| known.content == token)
            || self.extra.iter().any(|known| known.content() == token)
    }

    /// What to say of tokens that have another id than their file states.
    pub(super) fn other_ids(&self, id: impl Fn(&str) -> Option<u32>) -> Option<String> {
        let files = self.stated_in.iter();
        let mut files = files.flat_map(|(file, count)| std::iter::repeat_n(file, *count));
        let (stated, token, id, file) = self.by_id.iter().find_map(|(stated, token)| {
            let file = files.next()?;
            let id = id(&token.content)?;
            (u64::from(id) != *stated).then_some((stated, &token.content, id, file))
        })?;
        Some(format!(
            "{token} has id {id}, as in transformers, though {file} says {stated}"
        ))
    }
}

/// special_tokens_map.json's fields over tokenizer_config.json's.
fn merge(config: &mut Map<String, Value>, special_tokens_map: &Map<String, Value>) {
    for (field, value) in special_tokens_map {
        let mut value = value.clone();
        match (&mut value, config.get(field)) {
            (Value::Array(more), Some(Value::Array(known))) if field == "extra_special_tokens" => {
                let mut all = known.clone();
                all.extend(more.iter().filter(|token| !known.contains(token)).cloned());
                value = Value::Array(all);
            }
            (Value::Object(token), _) if field != "extra_special_tokens" => {
                token.insert("special".to_string(), Value::from(true));
            }
            _ => {}
        }
        config.insert(field.clone(), value);
    }
}

/// `added_tokens_decoder`: ids and tokens.
fn decoder_tokens(decoder: &Value) -> Result<Vec<(u64, AddedToken)>, String> {
    let tokens = decoder.as_object().and_then(|tokens| {
        tokens
            .iter()
            .map(|(id, token)| Some((id.trim().parse().ok()?, added_token(token, false)?)))
            .collect()
    });
    tokens.ok_or_else(|| {
        "added_tokens_decoder: write an object of ids and tokens, each with a content".to_string()
    })
}

/// The added tokens of a whole tokenizer.json, with their ids.
///
/// # Errors
/// If one has no id or no content.
pub(super) fn of_json(json: &Value) -> Result<Vec<(u64, AddedToken)>, String> {
    let Some(tokens) = json.get("added_tokens") else {
        return Ok(Vec::new());
    };
    let tokens = tokens.as_array().and_then(|tokens| {
        let tokens = tokens.iter();
        tokens
            .map(|token| Some((token["id"].as_u64()?, added_token(token, false)?)))
            .collect()
    });
    tokens.ok_or_else(|| {
        "added_tokens: write a list of tokens, each with an id and a content".to_string()
    })
}

/// added_tokens.json: tokens and ids. Those that `config` names are special.
fn listed(
    added_tokens: &Map<String, Value>,
    config: &Map<String, Value>,
) -> Result<Vec<(u64, AddedToken)>, String> {
    let content = |value: &Value| Token::parse(value).map(|token| token.content().to_string());
    let named = NAMED
        .iter()
        .filter_map(|field| content(config.get(*field)?));
    let extra = config.get("extra_special_tokens").and_then(Value::as_array);
    let extra = extra.into_iter().flatten().filter_map(content);
    let special: HashSet<String> = named.chain(extra).collect();
    let mut taken: HashMap<u64, &str> = HashMap::new();
    let mut tokens: Vec<(u64, AddedToken)> = Vec::with_capacity(added_tokens.len());
    for (token, id) in added_tokens {
        let id = id.as_u64().ok_or_else(|| {
            format!("added_tokens.json: the id of {token:?} is {id}; write a whole number")
        })?;
        if let Some(other) = taken.insert(id, token) {
            return Err(format!(
                "added_tokens.json: {other:?} and {token:?} both have id {id}; write one for each"
            ));
        }
        tokens.push((
            id,
            AddedToken::from(token, special.contains(token.as_str())),
        ));
    }
    Ok(tokens)
}

/// As Python has it: neither missing nor null nor empty.
fn is_truthy(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(items)) => !items.is_empty(),
        Some(Value::String(text)) => !text.is_empty(),
        Some(_) => true,
    }
}

fn unreadable(field: &str) -> String {
    match field {
        "extra_special_tokens" => {
            format!("{field}: write a list of tokens, each a string or an object with a content")
        }
        field => format!("{field}: write the token as a string or an object with a content"),
    }
}
