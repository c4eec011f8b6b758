//! `--seeds`.

/// Runs of one command at most; more is a slip of the hand.
pub(super) const MOST_RUNS: usize = 1000;

/// The seeds of several runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seeds(pub(crate) Vec<u64>);

/// Reads `1..5`, which has five seeds, or `1,2,7`.
pub(crate) fn parse(text: &str) -> Result<Seeds, String> {
    let wrong = || format!("{text}: write the first and the last as 1..5, or a list as 1,2,7");
    let number = |text: &str| text.trim().parse::<u64>().map_err(|_| wrong());
    let seeds: Vec<u64> = match text.split_once("..") {
        Some((first, last)) => {
            let (first, last) = (number(first)?, number(last.trim_start_matches('='))?);
            if last < first || last - first >= MOST_RUNS as u64 {
                return Err(wrong());
            }
            (first..=last).collect()
        }
        None => text.split(',').map(number).collect::<Result<_, _>>()?,
    };
    let mut sorted = seeds.clone();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.len() < seeds.len() {
        return Err(format!("{text}: a seed stands there twice; name each once"));
    }
    Ok(Seeds(seeds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_range_with_its_end_or_a_list() {
        assert_eq!(parse("1..5").unwrap().0, [1, 2, 3, 4, 5]);
        assert_eq!(parse("7").unwrap().0, [7]);
        assert_eq!(parse("3,1").unwrap().0, [3, 1]);
        for wrong in ["", "5..1", "a", "1,1", "1..", "1..9999999999"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
