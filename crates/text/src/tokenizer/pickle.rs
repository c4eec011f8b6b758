//! Reads plain data from Python's pickles: numbers, texts, lists, dictionaries. Whatever would call
//! code is refused.
//!
//! The opcodes of protocol 2, as Python's `pickletools` documents them. torch's older format is some
//! pickles in a row: a magic number, a version, facts on the machine, then the object.

use std::collections::HashMap;
use std::rc::Rc;

/// torch's first pickle: this number, as its eleven bytes.
const MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// Lists in lists; deeper ones are no vocabulary, and would end in a full stack.
const MAX_DEPTH: u32 = 8;

const DAMAGED: &str = "the file is damaged, or holds more than numbers and texts; convert it with \
    transformers to vocab.json and merges.txt";

/// A value.
#[derive(Debug, PartialEq)]
pub(super) enum Object {
    /// Nothing, a Boolean or a fraction: not looked at.
    Other,
    Number(i64),
    Text(String),
    List {
        items: Vec<Rc<Object>>,
        depth: u32,
    },
    Dictionary {
        entries: Vec<(Rc<Object>, Rc<Object>)>,
        depth: u32,
    },
}

impl Object {
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn items(&self) -> Option<&[Rc<Self>]> {
        match self {
            Self::List { items, .. } => Some(items),
            _ => None,
        }
    }

    /// Keys and values of a dictionary.
    pub(super) fn entries(&self) -> Option<impl Iterator<Item = (&Self, &Self)>> {
        match self {
            Self::Dictionary { entries, .. } => {
                Some(entries.iter().map(|(key, value)| (&**key, &**value)))
            }
            _ => None,
        }
    }

    /// The value of a dictionary's text key.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let mut entries = self.entries()?;
        entries.find_map(|(name, value)| (name.text() == Some(key)).then_some(value))
    }

    fn depth(&self) -> u32 {
        match self {
            Self::List { depth, .. } | Self::Dictionary { depth, .. } => *depth,
            _ => 0,
        }
    }
}

/// The object in a file that `torch.save` wrote in its older format.
///
/// # Errors
/// If it is in the newer one, damaged, or holds more than plain data.
pub(super) fn read_torch(bytes: &[u8]) -> Result<Rc<Object>, String> {
    if bytes.starts_with(b"PK") {
        return Err(
            "the file is in torch's newer format; convert it with torch.save(torch.load(f), \
             f, _use_new_zipfile_serialization=False)"
                .to_string(),
        );
    }
    let rest = bytes
        .strip_prefix(MAGIC)
        .ok_or("not a file that torch saved; get it again")?;
    let mut reader = Reader { rest };
    let mut next = || reader.pickle().ok_or_else(|| DAMAGED.to_string());
    let _version = next()?;
    let _machine = next()?;
    next()
}

struct Reader<'a> {
    rest: &'a [u8],
}

/// What a pickle's opcodes work on.
#[derive(Default)]
struct Stack {
    objects: Vec<Rc<Object>>,
    /// Where the objects begin that the next collecting opcode takes.
    marks: Vec<usize>,
    memo: HashMap<u32, Rc<Object>>,
}

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take().map(|[byte]| byte)
    }

    fn text(&mut self, length: usize) -> Option<Object> {
        let (text, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(Object::Text(std::str::from_utf8(text).ok()?.to_string()))
    }

    /// One pickle, to its end.
    fn pickle(&mut self) -> Option<Rc<Object>> {
        let mut stack = Stack::default();
        loop {
            let value = match self.byte()? {
                // PROTO
                0x80 => {
                    self.byte().filter(|version| *version <= 2)?;
                    continue;
                }
                // STOP
                b'.' => return stack.objects.pop(),
                b'N' | 0x88 | 0x89 => Object::Other,
                b'G' => {
                    self.take::<8>()?;
                    Object::Other
                }
                b'J' => Object::Number(i32::from_le_bytes(self.take()?).into()),
                b'K' => Object::Number(self.byte()?.into()),
                b'M' => Object::Number(u16::from_le_bytes(self.take()?).into()),
                // LONG1: little-endian, two's complement.
                0x8a => {
                    let length = usize::from(self.byte()?);
                    let (bytes, rest) = self.rest.split_at_checked(length)?;
                    self.rest = rest;
                    let is_negative = bytes.last().is_some_and(|byte| *byte >= 0x80);
                    let mut number = [if is_negative { 0xff } else { 0 }; 8];
                    number.get_mut(..length)?.copy_from_slice(bytes);
                    Object::Number(i64::from_le_bytes(number))
                }
                b'X' => {
                    let length = u32::from_le_bytes(self.take()?);
                    self.text(length as usize)?
                }
                b']' | b')' => list(Vec::new())?,
                b'}' => Object::Dictionary {
                    entries: Vec::new(),
                    depth: 1,
                },
                b'(' => {
                    stack.marks.push(stack.objects.len());
                    continue;
                }
                // TUPLE, TUPLE1 to TUPLE3
                b't' => list(stack.collect()?)?,
                count @ 0x85..=0x87 => {
                    let at = stack.objects.len().checked_sub(usize::from(count - 0x84))?;
                    list(stack.objects.split_off(at))?
                }
                b'a' => {
                    let item = stack.objects.pop()?;
                    stack.append(vec![item])?;
                    continue;
                }
                b'e' => {
                    let items = stack.collect()?;
                    stack.append(items)?;
                    continue;
                }
                b's' => {
                    let at = stack.objects.len().checked_sub(2)?;
                    let entry = stack.objects.split_off(at);
                    stack.set(entry)?;
                    continue;
                }
                b'u' => {
                    let entries = stack.collect()?;
                    stack.set(entries)?;
                    continue;
                }
                b'q' => {
                    let key = self.byte()?.into();
                    stack.note(key)?;
                    continue;
                }
                b'r' => {
                    let key = u32::from_le_bytes(self.take()?);
                    stack.note(key)?;
                    continue;
                }
                b'h' => {
                    let key = self.byte()?.into();
                    stack.objects.push(stack.memo.get(&key)?.clone());
                    continue;
                }
                b'j' => {
                    let key = u32::from_le_bytes(self.take()?);
                    stack.objects.push(stack.memo.get(&key)?.clone());
                    continue;
                }
                // All others build objects of classes, or belong to later protocols.
                _ => return None,
            };
            stack.objects.push(Rc::new(value));
        }
    }
}

impl Stack {
    /// The objects after the last mark.
    fn collect(&mut self) -> Option<Vec<Rc<Object>>> {
        let at = self.marks.pop()?;
        (at <= self.objects.len()).then(|| self.objects.split_off(at))
    }

    /// Adds items to the list on top.
    fn append(&mut self, more: Vec<Rc<Object>>) -> Option<()> {
        self.change(|top| {
            let Object::List { items, depth } = top else {
                return None;
            };
            *depth = (*depth).max(depth_of(&more)?);
            items.extend(more);
            Some(())
        })
    }

    /// Adds keys and values, in turn, to the dictionary on top.
    fn set(&mut self, more: Vec<Rc<Object>>) -> Option<()> {
        self.change(|top| {
            let Object::Dictionary { entries, depth } = top else {
                return None;
            };
            *depth = (*depth).max(depth_of(&more)?);
            let mut more = more.into_iter();
            while let Some(key) = more.next() {
                entries.push((key, more.next()?));
            }
            Some(())
        })
    }

    fn change(&mut self, change: impl FnOnce(&mut Object) -> Option<()>) -> Option<()> {
        change(Rc::get_mut(self.objects.last_mut()?)?)
    }

    /// Notes the object on top under a key, to be used again; but not a list that is still to be
    /// filled: it could come to hold itself, and that is no plain data.
    fn note(&mut self, key: u32) -> Option<()> {
        let top = self.objects.last()?;
        let is_to_be_filled = match &**top {
            Object::List { items, .. } => items.is_empty(),
            Object::Dictionary { entries, .. } => entries.is_empty(),
            _ => false,
        };
        if !is_to_be_filled {
            self.memo.insert(key, top.clone());
        }
        Some(())
    }
}

fn list(items: Vec<Rc<Object>>) -> Option<Object> {
    let depth = depth_of(&items)?;
    Some(Object::List { items, depth })
}

/// The depth of what holds these; `None`: too deep.
fn depth_of(items: &[Rc<Object>]) -> Option<u32> {
    let depth = items.iter().map(|item| item.depth()).max().unwrap_or(0) + 1;
    (depth <= MAX_DEPTH).then_some(depth)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(pickle: &[u8]) -> Option<Rc<Object>> {
        Reader { rest: pickle }.pickle()
    }

    #[test]
    fn plain_data_is_read() {
        // pickle.dumps({"a": [1, -2, 300], "b": ("é", None)}, 2)
        let pickle = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01]q\x02(K\x01J\xfe\xff\xff\xffM,\x01eX\
            \x01\x00\x00\x00bq\x03X\x02\x00\x00\x00\xc3\xa9q\x04N\x86q\x05u.";
        let object = read(pickle).unwrap();
        let numbers: Vec<&Object> = object
            .get("a")
            .unwrap()
            .items()
            .unwrap()
            .iter()
            .map(|n| &**n)
            .collect();
        assert_eq!(
            numbers,
            [
                &Object::Number(1),
                &Object::Number(-2),
                &Object::Number(300)
            ]
        );
        assert_eq!(
            object.get("b").unwrap().items().unwrap()[0].text(),
            Some("é")
        );
    }

    #[test]
    fn what_would_call_code_is_refused() {
        // pickle.dumps(os.system, 2), and with a call.
        assert_eq!(read(b"\x80\x02cposix\nsystem\nq\x00."), None);
        assert_eq!(
            read(b"\x80\x02cposix\nsystem\nX\x02\x00\x00\x00ls\x85R."),
            None
        );
        let error = read_torch(b"PK\x03\x04").unwrap_err();
        assert!(
            error.contains("_use_new_zipfile_serialization=False"),
            "{error}"
        );
        assert!(
            read_torch(b"\x80\x02.")
                .unwrap_err()
                .contains("not a file that torch saved")
        );
    }

    #[test]
    fn lists_in_lists_end_before_the_stack_does() {
        let mut pickle = b"\x80\x02".to_vec();
        pickle.extend(std::iter::repeat_n(b']', 100_000));
        pickle.extend(std::iter::repeat_n(b'a', 99_999));
        pickle.push(b'.');
        assert_eq!(read(&pickle), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(&b"}](eutasqhKX.N\x85\x86"[..])], 0..60),
        ) {
            let _ = read(&bytes);
        }
    }
}
