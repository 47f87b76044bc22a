//! What is computed, what is remembered and for how long.

use super::*;

fn cheap() -> Config {
    Config {
        memory_kib: 64,
        iterations: 1,
        ..Config::default()
    }
}

fn credential(config: &Config) -> (Secret<String>, String) {
    let password = password::generate();
    let phc = password::hash(&password, config).expect("the cost is valid");
    (password, phc)
}

/// A verifier whose every place is taken.
fn without_places(config: Config) -> (Verifier, OwnedSemaphorePermit) {
    let verifier = Verifier::new(Config {
        concurrent_hashes: 1,
        wait_s: 0,
        ..config
    });
    let permit = Arc::clone(&verifier.permits)
        .try_acquire_owned()
        .expect("there is one place");
    (verifier, permit)
}

#[tokio::test]
async fn the_right_password_alone_is_verified() {
    let verifier = Verifier::new(cheap());
    let (password, phc) = credential(&cheap());
    for _ in 0..2 {
        assert!(
            verifier
                .verify(1, 1, &phc, &password)
                .await
                .expect("it computes")
        );
        let wrong = password::generate();
        assert!(
            !verifier
                .verify(1, 1, &phc, &wrong)
                .await
                .expect("it computes")
        );
    }
    assert!(
        !verifier
            .verify_nobody(&password)
            .await
            .expect("it computes")
    );
}

#[tokio::test]
async fn a_verified_credential_needs_no_computation_until_it_is_forgotten() {
    let (verifier, permit) = without_places(cheap());
    let (password, phc) = credential(&cheap());
    drop(permit);
    assert!(
        verifier
            .verify(1, 1, &phc, &password)
            .await
            .expect("it computes")
    );
    let _permit = Arc::clone(&verifier.permits).acquire_owned().await;
    assert!(
        verifier
            .verify(1, 1, &phc, &password)
            .await
            .expect("it is remembered")
    );
    verifier.forget(1);
    let again = verifier.verify(1, 1, &phc, &password).await;
    assert!(matches!(again, Err(VerifierError::Busy { wait_s: 0 })));
}

#[tokio::test]
async fn a_flood_of_wrong_passwords_holds_up_no_remembered_login() {
    let verifier = Arc::new(Verifier::new(Config {
        concurrent_hashes: 1,
        wait_s: 3600,
        ..cheap()
    }));
    let (password, phc) = credential(&cheap());
    let right = verifier.verify(1, 1, &phc, &password).await;
    assert!(right.expect("it computes"));
    let _permit = Arc::clone(&verifier.permits).acquire_owned().await;
    let flood: Vec<_> = (0..1000)
        .map(|_| {
            let (verifier, phc) = (Arc::clone(&verifier), phc.clone());
            let wrong = Secret::new("wrong".to_owned());
            tokio::spawn(async move { verifier.verify(1, 1, &phc, &wrong).await })
        })
        .collect();
    tokio::task::yield_now().await;
    assert!(verifier.remembers(1, 1, &phc, &password));
    // No place is free and a thousand wait for one: only a login that needs none can end.
    let right = verifier.verify(1, 1, &phc, &password).await;
    assert!(right.expect("it is remembered"));
    assert!(flood.iter().all(|waiting| !waiting.is_finished()));
    flood.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn another_user_version_hash_or_password_is_another_credential() {
    let (verifier, permit) = without_places(cheap());
    let (password, phc) = credential(&cheap());
    drop(permit);
    assert!(
        verifier
            .verify(1, 1, &phc, &password)
            .await
            .expect("it computes")
    );
    let _permit = Arc::clone(&verifier.permits).acquire_owned().await;
    let (other_password, other_phc) = credential(&cheap());
    let others = [
        (2, 1, &phc, &password),
        (1, 2, &phc, &password),
        (1, 1, &other_phc, &password),
        (1, 1, &phc, &other_password),
    ];
    for (user_id, version, phc, password) in others {
        let result = verifier.verify(user_id, version, phc, password).await;
        assert!(matches!(result, Err(VerifierError::Busy { .. })));
    }
}

#[tokio::test]
async fn a_failure_is_not_remembered() {
    let verifier = Verifier::new(cheap());
    let (password, phc) = credential(&cheap());
    let wrong = password::generate();
    assert!(
        !verifier
            .verify(1, 1, &phc, &wrong)
            .await
            .expect("it computes")
    );
    assert!(verifier.verified.entries.lock().is_empty());
    assert!(
        verifier
            .verify(1, 1, &phc, &password)
            .await
            .expect("it computes")
    );
}

#[tokio::test]
async fn an_unknown_user_waits_like_any_other() {
    let (verifier, _permit) = without_places(cheap());
    let result = verifier.verify_nobody(&password::generate()).await;
    assert!(matches!(result, Err(VerifierError::Busy { .. })));
}

#[tokio::test]
async fn a_stored_text_that_is_no_hash_is_an_error() {
    let verifier = Verifier::new(cheap());
    let result = verifier.verify(1, 1, "x", &password::generate()).await;
    assert!(matches!(result, Err(VerifierError::Password(_))));
}

#[test]
fn what_is_remembered_expires() {
    let verified = VerifiedCredentials::new(&cheap());
    let digest = verified.digest(1, 1, "phc", &password::generate());
    let now = Instant::now();
    verified.insert(1, digest, now);
    assert!(verified.contains(1, digest, now + Duration::from_secs(299)));
    assert!(!verified.contains(1, digest, now + Duration::from_secs(300)));
}

#[test]
fn nothing_is_remembered_where_the_config_says_so() {
    for config in [
        Config {
            cache_ttl_s: 0,
            ..cheap()
        },
        Config {
            cache_entries: 0,
            ..cheap()
        },
    ] {
        let verified = VerifiedCredentials::new(&config);
        let digest = verified.digest(1, 1, "phc", &password::generate());
        verified.insert(1, digest, Instant::now());
        assert!(!verified.contains(1, digest, Instant::now()));
    }
}

#[test]
fn the_number_of_entries_is_bounded() {
    let verified = VerifiedCredentials::new(&Config {
        cache_entries: 3,
        ..cheap()
    });
    let digest = verified.digest(1, 1, "phc", &password::generate());
    let now = Instant::now();
    for user_id in 0..10 {
        verified.insert(user_id, digest, now);
        assert!(verified.contains(user_id, digest, now));
        assert!(verified.entries.lock().len() <= 3);
    }
    let later = now + Duration::from_secs(301);
    verified.insert(10, digest, later);
    assert_eq!(verified.entries.lock().len(), 1);
}

#[test]
fn neither_password_nor_key_is_printed() {
    let verifier = Verifier::new(cheap());
    let text = format!("{verifier:?}");
    assert!(!text.contains("key"), "{text}");
}
