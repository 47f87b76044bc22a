//! What of a message is in memory, and what in the store.

use std::path::PathBuf;

use super::*;
use crate::id::QueueIds;
use crate::store;

/// A store in a folder of its own, and the memory of all messages.
struct Bench {
    store: Store,
    folder: PathBuf,
    ids: QueueIds,
    config: Config,
    memory: Memory,
}

impl Bench {
    async fn with_memory(blocks: usize) -> Self {
        let folder = std::env::temp_dir().join(format!("gatepost-{}", crate::id::session_id()));
        std::fs::create_dir(&folder).expect("the temporary folder is writable");
        let store = store::Config {
            url: format!("sqlite://{}", folder.join("store.db").display()).into(),
            ..store::Config::default()
        };
        let config = Config {
            memory_octets: 4 * BLOCK,
            memory_total_octets: blocks * BLOCK,
            ..Config::default()
        };
        Self {
            store: Store::open(&store).await.expect("a new store opens"),
            folder,
            ids: QueueIds::new(),
            memory: Memory::new(&config),
            config,
        }
    }

    fn spool(&self) -> Spool {
        let (store, memory) = (self.store.clone(), self.memory.clone());
        Spool::new(store, memory, self.ids.next(), &self.config)
    }

    fn free_blocks(&self) -> usize {
        self.memory.0.available_permits()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // What cannot be deleted is left to the system's own cleaning.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A message of so many octets whose lines differ.
fn message(octets: usize) -> Vec<u8> {
    let mut message = b"From: a@example.com\r\nSubject: large\r\n\r\n".to_vec();
    for line in 0.. {
        if message.len() >= octets {
            break;
        }
        message.extend_from_slice(format!("line {line}\r\n").as_bytes());
    }
    message.truncate(octets);
    message
}

/// Pushes a message in pieces and reads it back: the octets of its head and the number of its chunks.
async fn pass(mut spool: Spool, message: &[u8], piece: usize) -> (usize, u32) {
    let (store, id) = (spool.store.clone(), spool.id());
    for piece in message.chunks(piece) {
        spool.push(piece).await.expect("it is kept");
    }
    let content = spool.finish().await.expect("it is kept").content;
    assert_eq!(content.size, message.len() as u64);
    let mut whole = content.head.to_vec();
    for index in 0..content.staged_chunks {
        let chunk = store.chunk(id, index).await.expect("a staged chunk");
        whole.extend_from_slice(&chunk);
    }
    assert!(whole == message, "the octets are others");
    (content.head.len(), content.staged_chunks)
}

#[tokio::test]
async fn a_small_message_takes_nothing_of_what_all_share() {
    let bench = Bench::with_memory(8).await;
    let mut spool = bench.spool();
    spool.push(&message(BLOCK)).await.expect("it is kept");
    assert_eq!(bench.free_blocks(), 8);
    assert_eq!(spool.staged_chunks, 0);
}

#[tokio::test]
async fn a_large_message_is_staged_in_parts_and_gives_its_memory_back() {
    let bench = Bench::with_memory(8).await;
    for piece in [1000, BLOCK, 100 * BLOCK] {
        let passed = pass(bench.spool(), &message(10 * BLOCK), piece).await;
        assert_eq!(passed, (4 * BLOCK, 2), "pieces of {piece}");
        assert_eq!(bench.free_blocks(), 8);
    }
}

#[tokio::test]
async fn without_memory_a_message_goes_to_the_store_at_once() {
    let bench = Bench::with_memory(0).await;
    for piece in [1000, BLOCK, 100 * BLOCK] {
        let passed = pass(bench.spool(), &message(10 * BLOCK), piece).await;
        assert_eq!(passed, (BLOCK, 9), "pieces of {piece}");
    }
}

#[tokio::test]
async fn all_messages_together_stay_within_the_memory_they_share() {
    let bench = Bench::with_memory(5).await;
    let message = message(8 * BLOCK);
    let mut spools: Vec<Spool> = (0..4).map(|_| bench.spool()).collect();
    for piece in message.chunks(1000) {
        for spool in &mut spools {
            spool.push(piece).await.expect("it is kept");
        }
        let in_memory: usize = spools
            .iter()
            .map(|spool| spool.head.octets.len() + spool.tail.octets.len())
            .sum();
        assert!(in_memory <= (4 * 2 + 5) * BLOCK, "{in_memory} octets");
    }
    for spool in spools {
        spool.discard().await;
    }
    assert_eq!(bench.free_blocks(), 5);
}

#[tokio::test]
async fn a_long_header_without_memory_is_not_cut_in_two() {
    let bench = Bench::with_memory(0).await;
    let header = format!(
        "Subject: x\r\nX-Long: {}",
        "a folded line\r\n ".repeat(2000)
    );
    let mut spool = bench.spool();
    let refused = spool.push(header.as_bytes()).await;
    assert!(matches!(refused, Err(SpoolError::Memory)), "{refused:?}");
    assert_eq!(spool.staged_chunks, 0);
}

#[tokio::test]
async fn memory_is_held_until_the_message_is_decided() {
    let bench = Bench::with_memory(8).await;
    let mut spool = bench.spool();
    spool.push(&message(3 * BLOCK)).await.expect("it is kept");
    let Received {
        content,
        _held: held,
        ..
    } = spool.finish().await.expect("it is kept");
    assert_eq!((content.staged_chunks, bench.free_blocks()), (0, 6));
    drop(held);
    assert_eq!(bench.free_blocks(), 8);
}
