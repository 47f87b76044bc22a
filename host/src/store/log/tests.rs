use super::*;
use crate::store::tests::Folder;

fn contents(sizes: &[usize]) -> Vec<(QueueId, Bytes)> {
    let ids = crate::id::QueueIds::new();
    let content = |&octets: &usize| (ids.next(), vec![b'x'; octets].into());
    sizes.iter().map(content).collect()
}

/// Where the segments are.
fn content(folder: &Folder) -> PathBuf {
    folder_of(&folder.database())
}

fn read(folder: &Path, id: QueueId, place: Place) -> io::Result<Option<Bytes>> {
    let mut found = read_all(folder, &[(id, place)])?;
    Ok(found.pop().and_then(|(_, content)| content))
}

async fn append(log: &mut Log, contents: &[(QueueId, Bytes)]) -> Vec<Place> {
    let (places, mut writing) = log.append(contents.to_vec()).await.expect("a segment");
    writing.done().await.expect("written");
    places
}

#[tokio::test]
async fn what_was_written_is_read() {
    let folder = Folder::new();
    let mut log = Log::within(content(&folder));
    let mut written = Vec::new();
    // More records than one system call takes, and an empty one.
    for batch in [contents(&[5, 0, 70_000]), contents(&[9; 1500])] {
        let places = append(&mut log, &batch).await;
        assert_eq!(places.len(), batch.len());
        written.extend(batch.into_iter().zip(places));
    }
    drop(log);
    let wanted: Vec<_> = written
        .iter()
        .map(|((id, _), place)| (*id, *place))
        .collect();
    let found = read_all(&content(&folder), &wanted).expect("readable");
    let expected = written
        .into_iter()
        .map(|((id, octets), _)| (id, Some(octets)));
    assert_eq!(found, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn another_messages_place_is_not_believed() {
    let folder = Folder::new();
    let mut log = Log::within(content(&folder));
    let batch = contents(&[10, 10]);
    let places = append(&mut log, &batch).await;
    let other = read(&content(&folder), batch[0].0, places[1]);
    let error = other.expect_err("another id");
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    let cut = Place {
        octets: 9,
        ..places[0]
    };
    assert!(read(&content(&folder), batch[0].0, cut).is_err());
    let endless = Place {
        octets: i64::MAX,
        ..places[0]
    };
    assert!(read(&content(&folder), batch[0].0, endless).is_err());
}

#[tokio::test]
async fn a_segment_that_is_gone_has_no_content() {
    let folder = Folder::new();
    let place = Place {
        segment: 7,
        offset: 0,
        octets: 1,
    };
    let found = read(&content(&folder), QueueId::from_i64(1), place);
    assert_eq!(found.expect("no error"), None);
    let mut log = Log::within(content(&folder));
    let batch = contents(&[10]);
    let there = append(&mut log, &batch).await[0];
    let (id, octets) = &batch[0];
    let wanted = [(*id, there), (*id, place), (*id, there)];
    let found = read_all(&content(&folder), &wanted).expect("readable");
    let heads: Vec<_> = found.into_iter().map(|(_, head)| head).collect();
    assert_eq!(heads, [Some(octets.clone()), None, Some(octets.clone())]);
}

#[tokio::test]
async fn a_segment_is_sealed_when_nobody_writes_to_it() {
    let folder = Folder::new();
    let mut log = Log::within(content(&folder));
    let first = append(&mut log, &contents(&[10])).await[0];
    assert!(sealed(&content(&folder)).expect("readable").is_empty());
    drop(log);
    let mut log = Log::within(content(&folder));
    let second = append(&mut log, &contents(&[10])).await[0];
    assert_ne!(first.segment, second.segment);
    let found = sealed(&content(&folder)).expect("readable");
    let numbers: Vec<i64> = found.iter().map(|segment| segment.number).collect();
    assert_eq!(numbers, [first.segment]);
}

#[tokio::test]
async fn a_full_segment_is_followed_by_another() {
    let folder = Folder::new();
    let mut log = Log::within(content(&folder));
    let half = usize::try_from(SEGMENT_OCTETS / 2).expect("small");
    let mut segments = Vec::new();
    for _ in 0..3 {
        segments.push(append(&mut log, &contents(&[half])).await[0].segment);
    }
    assert_eq!(segments[0], segments[1]);
    assert_ne!(segments[1], segments[2]);
}
