use proptest::prelude::*;

use super::*;
use crate::rng::{Purpose, Rng};

fn drawn(len: usize, perm_size: usize, seed: u64) -> Vec<i32> {
    let mut ranks = vec![0; len];
    let mut rng = Rng::at(seed, Purpose::Masking, 0, 0);
    draw(perm_size, &mut rng, &mut ranks);
    ranks
}

/// The keys that each query sees, by their numbers, of parts given as (role, rank).
fn seen(parts: &[Vec<(Role, i32)>]) -> Vec<Vec<usize>> {
    let mut before = None;
    let mut numbers = Vec::new();
    for part in parts {
        let of = |&(role, rank): &(Role, i32)| query_and_key(role, rank, before);
        numbers.extend(part.iter().map(of));
        before = Some(part.len());
    }
    let of = |&(query, _): &(i32, i32)| {
        let open = numbers
            .iter()
            .enumerate()
            .filter(|(_, (_, key))| query > *key);
        open.map(|(key, _)| key).collect()
    };
    numbers.iter().map(of).collect()
}

#[test]
fn eight_tokens_see_each_other_as_the_original_has_it() {
    let ranks = [4, 1, 6, 0, 3, 7, 2, 5];
    let role = |position: usize| match position {
        1 | 2 | 4 => Role::Target,
        7 => Role::Functional,
        _ => Role::Ordinary,
    };
    let part = (0..8).map(|position| (role(position), ranks[position]));
    let ordinary = vec![0, 3, 5, 6];
    let with = |more: &[usize]| {
        let mut all = [&ordinary, more].concat();
        all.sort_unstable();
        all
    };
    assert_eq!(
        seen(&[part.collect()]),
        [
            ordinary.clone(),
            ordinary.clone(),
            with(&[1, 4, 7]),
            ordinary.clone(),
            with(&[1]),
            ordinary.clone(),
            ordinary.clone(),
            with(&[1, 4, 7]),
        ]
    );
}

#[test]
fn one_order_serves_all_blocks_and_blocks_follow_each_other() {
    for seed in 0..20 {
        let ranks = drawn(24, 6, seed);
        for (block, ranks) in ranks.chunks(6).enumerate() {
            let order: Vec<i32> = ranks.iter().map(|rank| rank - 6 * block as i32).collect();
            assert_eq!(order, drawn(6, 6, seed));
            let mut sorted = order;
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3, 4, 5]);
        }
    }
}

#[test]
fn a_position_has_every_rank_alike() {
    // Chi-squared with 7 degrees of freedom: above 24.3 has probability 0.001, and the seeds are
    // fixed.
    for position in [0, 3, 7] {
        let mut counts = [0u32; 8];
        for seed in 0..8_000 {
            counts[drawn(8, 8, seed)[position] as usize] += 1;
        }
        let off = counts
            .iter()
            .map(|&count| (f64::from(count) - 1000.0).powi(2) / 1000.0);
        let statistic: f64 = off.sum();
        assert!(statistic < 24.3, "{position}: {counts:?}");
    }
}

proptest! {
    #[test]
    fn two_numbers_say_what_the_table_says(
        roles in prop::collection::vec(0u8..3, 24),
        (perm_size, first) in prop_oneof![Just((4, 12)), Just((8, 16)), Just((2, 6)), Just((6, 18))],
        seeds: (u64, u64),
    ) {
        let role = |number: &u8| match number {
            0 => Role::Ordinary,
            1 => Role::Functional,
            _ => Role::Target,
        };
        let roles: Vec<Role> = roles.iter().map(role).collect();
        let part = |roles: &[Role], seed| -> Vec<(Role, i32)> {
            let ranks = drawn(roles.len(), perm_size, seed);
            roles.iter().copied().zip(ranks).collect()
        };
        let parts = [part(&roles[..first], seeds.0), part(&roles[first..], seeds.1)];
        let all = parts.concat();
        for (i, keys) in seen(&parts).into_iter().enumerate() {
            for j in 0..24 {
                let ((query, query_rank), (key, key_rank)) = (all[i], all[j]);
                let is_seen = match (i < first, j < first) {
                    (true, false) => false,
                    (false, true) => true,
                    _ => match (query, key) {
                        (_, Role::Ordinary) => true,
                        (Role::Ordinary, _) => false,
                        (Role::Functional, _) => key_rank <= query_rank,
                        (Role::Target, _) => key_rank < query_rank,
                    },
                };
                prop_assert_eq!(keys.contains(&j), is_seen, "{} sees {}", i, j);
            }
        }
    }
}
