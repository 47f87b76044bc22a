//! Allocates by moving a pointer. An instance lives for one evaluation, so that nothing is worth freeing;
//! and as long as the arena is enough, the memory never grows, which costs the host more than the rules do.

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32::memory_grow;
use core::cell::{Cell, UnsafeCell};

/// Octets without growing: several times what a message with 200 header fields takes.
const ARENA_OCTETS: usize = 512 * 1024;
/// What the memory grows by, in octets.
const PAGE_OCTETS: usize = 64 * 1024;
/// Pages to grow by at least, so that it happens rarely.
const MIN_GROWTH_PAGES: usize = 16;

struct Arena {
    first: UnsafeCell<[u8; ARENA_OCTETS]>,
    /// The next free address; 0 before the first allocation.
    next: Cell<usize>,
    /// The first address that is not ours.
    end: Cell<usize>,
}

// SAFETY: a component instance has one thread.
unsafe impl Sync for Arena {}

#[global_allocator]
static ARENA: Arena = Arena {
    first: UnsafeCell::new([0; ARENA_OCTETS]),
    next: Cell::new(0),
    end: Cell::new(0),
};

impl Arena {
    /// The address of `size` free octets; none when the memory cannot grow enough.
    fn take(&self, size: usize, align: usize) -> Option<usize> {
        if self.next.get() == 0 {
            self.next.set(self.first.get() as usize);
            self.end.set(self.first.get() as usize + ARENA_OCTETS);
        }
        let start = self.next.get().checked_next_multiple_of(align)?;
        let end = start.checked_add(size)?;
        if end <= self.end.get() {
            self.next.set(end);
            return Some(start);
        }
        self.grow(size.checked_add(align)?)?;
        self.take(size, align)
    }

    /// Goes on in new pages; what is left of the old ones stays unused.
    fn grow(&self, octets: usize) -> Option<()> {
        let pages = octets.div_ceil(PAGE_OCTETS).max(MIN_GROWTH_PAGES);
        let first_page = memory_grow(0, pages);
        if first_page == usize::MAX {
            return None;
        }
        let start = first_page * PAGE_OCTETS;
        self.next.set(start);
        self.end.set(start + pages * PAGE_OCTETS);
        Some(())
    }
}

// SAFETY: every address is handed out once, aligned as asked for, and lies within memory that is ours.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let address = self.take(layout.size(), layout.align());
        address.map_or(core::ptr::null_mut(), |address| address as *mut u8)
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let old_end = old as usize + layout.size();
        let new_end = old as usize + new_size;
        // The newest allocation grows where it is.
        if new_size <= layout.size() || (old_end == self.next.get() && new_end <= self.end.get()) {
            self.next.set(self.next.get().max(new_end));
            return old;
        }
        let Some(new) = self.take(new_size, layout.align()) else {
            return core::ptr::null_mut();
        };
        // SAFETY: both are ours, do not overlap, and hold the octets of the old allocation.
        unsafe { core::ptr::copy_nonoverlapping(old, new as *mut u8, layout.size()) };
        new as *mut u8
    }
}
