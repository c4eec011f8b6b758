//! Tables that depend on lengths alone: made once, used in every step.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::Device;

/// The value made last on each device, and what it was made for. Clones share it, as the copies of a
/// model on several devices do.
pub struct Cached<K, V> {
    made: Arc<Mutex<Vec<Made<K, V>>>>,
}

struct Made<K, V> {
    device: Device,
    key: K,
    value: V,
}

impl<K: PartialEq, V: Clone> Cached<K, V> {
    /// What was made last on `device`, if that was for `key`; else what `make` makes.
    pub fn get(&self, key: K, device: &Device, make: impl FnOnce() -> V) -> V {
        // A panic in `make` leaves the list as it was.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let last = made.iter_mut().find(|last| is_same(&last.device, device));
        match last {
            Some(last) if last.key == key => last.value.clone(),
            Some(last) => {
                last.value = make();
                last.key = key;
                last.value.clone()
            }
            None => {
                let value = make();
                made.push(Made {
                    device: device.clone(),
                    key,
                    value: value.clone(),
                });
                value
            }
        }
    }
}

/// Burn counts a device that records gradients as the same as one that does not; their tensors do not
/// mix.
fn is_same(one: &Device, other: &Device) -> bool {
    one == other && one.is_autodiff() == other.is_autodiff()
}

impl<K, V> Default for Cached<K, V> {
    fn default() -> Self {
        Self {
            made: Arc::default(),
        }
    }
}

impl<K, V> Clone for Cached<K, V> {
    fn clone(&self) -> Self {
        Self {
            made: Arc::clone(&self.made),
        }
    }
}

impl<K, V> fmt::Debug for Cached<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_another_key_or_another_device_makes_it_again() {
        for (name, device) in kiln_testing::devices() {
            let table = Cached::default();
            let mut count = 0;
            let mut get = |key: usize, device: &Device| {
                table.clone().get(key, device, || {
                    count += 1;
                    (key, count)
                })
            };
            assert_eq!(get(3, &device), (3, 1), "{name}");
            assert_eq!(get(3, &device), (3, 1), "{name}");
            // The same memory, but its tensors record gradients.
            let tracked = device.clone().autodiff();
            assert_eq!(get(3, &tracked), (3, 2), "{name}");
            assert_eq!(get(3, &device), (3, 1), "{name}");
            assert_eq!(get(4, &device), (4, 3), "{name}");
            assert_eq!(get(3, &device), (3, 4), "{name}");
            assert_eq!(get(3, &tracked), (3, 2), "{name}");
        }
    }
}
