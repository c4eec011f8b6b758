//! Fields of Parquet as JSON.

use std::ops::RangeInclusive;

use parquet::data_type::ByteArray;
use parquet::record::{Field, Row};
use serde_json::{Map, Value};

/// Days since 1970 of the years 1 to 9999, which have four digits.
const DAYS: RangeInclusive<i64> = -719_162..=2_932_896;

const MILLIS_A_DAY: i64 = 24 * 60 * 60 * 1000;

/// How a field becomes JSON that is none of JSON's own kinds.
type Other = fn(&Field) -> Value;

/// A row for whoever reads text alone: what can be none is 0, or an empty list.
pub(super) fn with_text(row: &Row) -> Value {
    record(row, no_text)
}

/// A row with all that stands in it.
///
/// Decimals are numbers, or texts of their digits where no number of 64 bits is as exact. Dates and times
/// are texts, in UTC; those outside of the years 1 to 9999 are numbers since 1970 in their file's unit.
/// Maps are objects. Of bytes that are no text it is said how many there are: `{"bytes": 3}`.
pub(super) fn whole(row: &Row) -> Value {
    record(row, in_full)
}

fn record(row: &Row, other: Other) -> Value {
    let fields = row.get_column_iter();
    Value::Object(
        fields
            .map(|(name, field)| (name.clone(), value(field, other)))
            .collect::<Map<_, _>>(),
    )
}

fn value(field: &Field, other: Other) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::Bool(value) => Value::from(*value),
        Field::Str(text) => Value::from(text.as_str()),
        // Older writers do not say that their strings are text.
        Field::Bytes(bytes) => match std::str::from_utf8(bytes.data()) {
            Ok(text) => Value::from(text),
            Err(_) => other(field),
        },
        Field::Group(row) => record(row, other),
        Field::ListInternal(list) => list.elements().iter().map(|it| value(it, other)).collect(),
        Field::Byte(value) => Value::from(*value),
        Field::Short(value) => Value::from(*value),
        Field::UByte(value) => Value::from(*value),
        Field::UShort(value) => Value::from(*value),
        Field::UInt(value) => Value::from(*value),
        Field::ULong(value) => Value::from(*value),
        Field::Int(value) => Value::from(*value),
        Field::Long(value) => Value::from(*value),
        Field::Float16(value) => Value::from(f32::from(*value)),
        Field::Float(value) => Value::from(*value),
        Field::Double(value) => Value::from(*value),
        Field::Decimal(_)
        | Field::Date(_)
        | Field::TimeMillis(_)
        | Field::TimeMicros(_)
        | Field::TimestampMillis(_)
        | Field::TimestampMicros(_)
        | Field::MapInternal(_) => other(field),
    }
}

fn no_text(field: &Field) -> Value {
    match field {
        Field::Bytes(_) => Value::Null,
        Field::MapInternal(_) => Value::Array(Vec::new()),
        _ => Value::from(0),
    }
}

fn in_full(field: &Field) -> Value {
    let moment = |value: i64, unit: i64| {
        if DAYS.contains(&value.div_euclid(unit)) {
            Value::from(field.to_string())
        } else {
            Value::from(value)
        }
    };
    match field {
        Field::Decimal(_) => number(&field.to_string()),
        Field::Date(days) => moment(i64::from(*days), 1),
        Field::TimestampMillis(millis) => moment(*millis, MILLIS_A_DAY),
        Field::TimestampMicros(micros) => moment(*micros, 1000 * MILLIS_A_DAY),
        Field::MapInternal(map) => {
            let entries = map.entries().iter();
            let entry = |(key, item): &(Field, Field)| (name(key), value(item, in_full));
            Value::Object(entries.map(entry).collect())
        }
        Field::Bytes(bytes) => counted(bytes),
        // Times of day.
        _ => Value::from(field.to_string()),
    }
}

/// The key of a map: a text as it is, all else as JSON writes it.
fn name(key: &Field) -> String {
    match value(key, in_full) {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// A decimal's digits as a number: an integer where it has no places, else the nearest of 64 bits.
fn number(shown: &str) -> Value {
    // The library ends an integer with a point.
    let digits = shown.strip_suffix('.').unwrap_or(shown);
    if let Ok(number) = digits.parse::<i64>() {
        return Value::from(number);
    }
    match digits.parse::<f64>() {
        Ok(number) if digits.contains('.') => Value::from(number),
        _ => Value::from(digits),
    }
}

fn counted(bytes: &ByteArray) -> Value {
    serde_json::json!({ "bytes": bytes.len() })
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::path::Path;
    use std::sync::Arc;

    use parquet::data_type::{ByteArrayType, DataType, Int32Type, Int64Type};
    use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
    use parquet::schema::parser::parse_message_type;
    use serde_json::json;

    use super::super::Rows;
    use super::*;

    fn column<T: DataType>(
        group: &mut SerializedRowGroupWriter<'_, File>,
        values: &[T::T],
        levels: Option<(&[i16], &[i16])>,
    ) {
        let mut column = group.next_column().unwrap().unwrap();
        let (definitions, repetitions) = levels.unzip();
        column
            .typed::<T>()
            .write_batch(values, definitions, repetitions)
            .unwrap();
        column.close().unwrap();
    }

    /// A row with what JSON has no kind for, and one at the ends of what there is.
    fn write(path: &Path) {
        let schema = "message schema { required int32 price (DECIMAL(9,2)); \
                      required int64 count (DECIMAL(18,0)); required binary wide (DECIMAL(30,0)); \
                      required int32 day (DATE); required int64 at (TIMESTAMP_MILLIS); \
                      required int32 noon (TIME_MILLIS); required binary image; \
                      required group marks (MAP) { repeated group key_value { \
                      required binary key (UTF8); required int32 value; } } }";
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let file = File::create(path).unwrap();
        let mut writer = SerializedFileWriter::new(file, schema, Arc::default()).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let bytes = |bytes: &[u8]| ByteArray::from(bytes.to_vec());
        column::<Int32Type>(&mut group, &[-375, 5], None);
        column::<Int64Type>(&mut group, &[3, -1], None);
        let ten_to_the_20th = 10_i128.pow(20).to_be_bytes();
        column::<ByteArrayType>(&mut group, &[bytes(&[7]), bytes(&ten_to_the_20th)], None);
        column::<Int32Type>(&mut group, &[18_262, i32::MAX], None);
        column::<Int64Type>(&mut group, &[1_577_836_800_500, i64::MIN], None);
        column::<Int32Type>(&mut group, &[43_200_000, 0], None);
        column::<ByteArrayType>(&mut group, &[bytes(b"\xff\xd8\xff"), bytes(b"a")], None);
        let marks = Some(([1, 1, 0].as_slice(), [0, 1, 0].as_slice()));
        column::<ByteArrayType>(&mut group, &[bytes(b"x"), bytes(b"y")], marks);
        column::<Int32Type>(&mut group, &[1, 2], marks);
        group.close().unwrap();
        writer.close().unwrap();
    }

    #[test]
    fn what_json_has_no_kind_for_is_kept() {
        let file = tempfile::NamedTempFile::new().unwrap();
        write(file.path());
        let rows: Vec<Value> = Rows::open(file.path())
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let expected = json!([
            {
                "price": -3.75, "count": 3, "wide": 7, "day": "2020-01-01",
                "at": "2020-01-01 00:00:00.500 +00:00", "noon": "12:00:00.000",
                "image": {"bytes": 3}, "marks": {"x": 1, "y": 2},
            },
            {
                "price": 0.05, "count": -1, "wide": "100000000000000000000", "day": i32::MAX,
                "at": i64::MIN, "noon": "00:00:00.000", "image": "a", "marks": {},
            },
        ]);
        assert_eq!(Value::from(rows), expected);
    }

    #[test]
    fn the_years_with_four_digits_are_dates() {
        let shown = |days: i64| in_full(&Field::Date(days as i32));
        assert_eq!(shown(*DAYS.start()), json!("0001-01-01"));
        assert_eq!(shown(*DAYS.end()), json!("9999-12-31"));
        assert_eq!(shown(DAYS.end() + 1), json!(DAYS.end() + 1));
        assert_eq!(shown(DAYS.start() - 1), json!(DAYS.start() - 1));
    }
}
