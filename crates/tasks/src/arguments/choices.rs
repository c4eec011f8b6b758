//! Continuations of several examples as the rows that an encoder reads.

use std::borrow::Cow;
use std::collections::BTreeMap;

use burn::tensor::TensorData;

use super::error::InputError;

/// The arguments that have a row for each continuation.
const BY_ROW: [&str; 4] = [
    "input_ids",
    "attention_mask",
    "token_type_ids",
    "input_mask",
];

type Given = BTreeMap<String, TensorData>;

/// Arguments `[batch, num_choices, seq_len]` as `[batch * num_choices, seq_len]`, with the number of
/// continuations an example.
///
/// `input_ids` that have no axis of examples are one example's; with more `labels` than one, those of as
/// many examples, one behind the other.
///
/// # Errors
/// If the rows can't be shared out among the labels.
pub(crate) fn as_rows(given: &Given) -> Result<(Cow<'_, Given>, usize), InputError> {
    let shape = |name: &str| given.get(name).map(|data| data.shape().as_slice().to_vec());
    match shape("input_ids").as_deref() {
        Some(&[_, num_choices, _]) => {
            let rows = given.iter().map(|(name, data)| {
                let is_by_row = BY_ROW.contains(&name.as_str());
                (
                    name.clone(),
                    if is_by_row { flat(data) } else { data.clone() },
                )
            });
            Ok((Cow::Owned(rows.collect()), num_choices))
        }
        Some(&[rows, _]) => {
            let examples = match shape("labels").as_deref() {
                Some(&[labels]) => labels,
                _ => 1,
            };
            if examples == 0 || rows % examples != 0 {
                return Err(InputError::Shape {
                    name: "input_ids".to_owned(),
                    found: shape("input_ids").unwrap_or_default(),
                    expected: format!("[{examples}, num_choices, seq_len] for {examples} labels"),
                });
            }
            Ok((Cow::Borrowed(given), rows / examples))
        }
        // Its shape is refused where it is read.
        _ => Ok((Cow::Borrowed(given), 1)),
    }
}

/// The first two of three axes as one; other shapes as they are.
fn flat(data: &TensorData) -> TensorData {
    match *data.shape().as_slice() {
        [batch, num_choices, seq_len] => {
            let shape = [batch * num_choices, seq_len];
            TensorData::from_bytes_vec(data.as_bytes().to_vec(), shape, data.dtype())
        }
        _ => data.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(shape: &[usize], labels: usize) -> Given {
        let n: usize = shape.iter().product();
        BTreeMap::from([
            (
                "input_ids".to_owned(),
                TensorData::new((0..n as i64).collect::<Vec<_>>(), shape.to_vec()),
            ),
            (
                "labels".to_owned(),
                TensorData::new(vec![0_i64; labels], [labels]),
            ),
        ])
    }

    #[test]
    fn continuations_become_rows_in_their_order() {
        let given = given(&[2, 3, 4], 2);
        let (rows, num_choices) = as_rows(&given).unwrap();
        assert_eq!(num_choices, 3);
        let ids = &rows["input_ids"];
        assert_eq!(ids.shape().as_slice(), [6, 4]);
        assert_eq!(
            ids.try_to_vec::<i64>().unwrap(),
            (0..24).collect::<Vec<_>>()
        );
    }

    #[test]
    fn rows_are_shared_out_among_the_labels() {
        assert_eq!(as_rows(&given(&[6, 4], 2)).unwrap().1, 3);
        assert_eq!(as_rows(&given(&[6, 4], 1)).unwrap().1, 6);
        let error = as_rows(&given(&[6, 4], 4)).unwrap_err().to_string();
        assert!(error.contains("[4, num_choices, seq_len]"), "{error}");
    }
}
