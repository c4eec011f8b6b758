use super::*;

/// A window `c0 c1 <sep> q <sep> <cls>` whose answer is its second word, or none.
fn window(start: u32, end: u32) -> Feature {
    Feature {
        example: 0,
        ids: vec![vec![11, 12, 4, 13, 4, 3]],
        type_ids: vec![vec![0, 0, 0, 1, 1, 2]],
        target: RowTarget::Span { start, end },
        map: TokenMap::Context {
            characters: vec![Some((0, 2)), Some((3, 5)), None, None, None, None],
            starts: 0..2,
            no_answer: 5,
        },
    }
}

fn batcher(on_left: bool) -> Batcher {
    Batcher::new(BatchSettings {
        problem: Problem::Span,
        num_labels: 2,
        padding: Padding {
            id: 5,
            type_id: 3,
            left: on_left,
        },
        pad_to: PadTo::Multiple(8),
        max_len: 16,
    })
    .unwrap()
}

#[test]
fn a_batch_of_questions_says_where_answers_can_be() {
    for (on_left, first) in [(true, 2), (false, 0)] {
        let rows = [window(1, 1), window(5, 5)];
        let batch = batcher(on_left).batch(&rows, 3).unwrap();
        assert_eq!(batch.ints["cls_index"].data, [first + 5; 3], "{on_left}");
        let mask = &batch.floats["p_mask"];
        assert_eq!(mask.shape, [3, 8]);
        for row in mask.data.chunks(8) {
            let open: Vec<i32> = (0..8).filter(|&at| row[at as usize] == 0.0).collect();
            assert_eq!(open, [first, first + 1, first + 5], "{on_left}");
        }
        // Where training points to is open.
        let starts = &batch.ints["start_positions"].data;
        assert_eq!(starts[..2], [first + 1, first + 5], "{on_left}");
    }
}

#[test]
fn a_row_without_a_context_is_no_question() {
    let row = Feature {
        map: TokenMap::Whole,
        ..window(1, 1)
    };
    let error = batcher(false).batch(&[row], 1).unwrap_err().to_string();
    assert!(error.contains("example 1: it has no context"), "{error}");
}
