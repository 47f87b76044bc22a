//! How many connections there are, in all and from each address.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

/// Places for connections. Cheap to clone; all clones share them.
#[derive(Clone)]
pub struct Places {
    max: usize,
    max_per_address: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A taken place; it is free again when this is dropped.
pub struct Place {
    address: IpAddr,
    taken: Arc<Mutex<Taken>>,
}

impl Places {
    /// So many in all, and from one address.
    pub fn new(max: usize, max_per_address: usize) -> Self {
        Self {
            max,
            max_per_address,
            taken: Arc::default(),
        }
    }

    /// A place for a client; none when there is none left, or none for its address.
    pub fn take(&self, address: IpAddr) -> Option<Place> {
        let mut taken = self.taken.lock();
        let own = taken.by_address.get(&address).copied().unwrap_or(0);
        if taken.all >= self.max || own >= self.max_per_address {
            return None;
        }
        taken.all += 1;
        taken.by_address.insert(address, own + 1);
        Some(Place {
            address,
            taken: Arc::clone(&self.taken),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock();
        taken.all -= 1;
        if let Entry::Occupied(mut own) = taken.by_address.entry(self.address) {
            *own.get_mut() -= 1;
            if *own.get() == 0 {
                own.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_in_all_and_for_each_address_and_come_back() {
        let places = Places::new(3, 2);
        let [one, two, three] = [1, 2, 3].map(|last| IpAddr::from([192, 0, 2, last]));
        let first = places.take(one).expect("the first");
        let _second = places.take(one).expect("the second");
        assert!(places.take(one).is_none(), "one address has two at most");
        let _other = places.take(two).expect("another address");
        assert!(places.take(three).is_none(), "there are three in all");
        drop(first);
        assert!(places.take(three).is_some());
        assert_eq!(
            places.taken.lock().by_address.len(),
            2,
            "who left is forgotten"
        );
    }
}
