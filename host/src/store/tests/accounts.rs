//! Lists and users, edited by this process and by another.

use std::time::{Duration, Instant};

use super::{Bench, contract, new_user};
use crate::accounts::Unauthorized;
use crate::queue::Priority;
use crate::secret::Secret;
use crate::store::StoreError;

contract!(
    a_list_is_found_by_its_name_in_any_case,
    a_name_is_given_to_one_list,
    a_list_keeps_its_settings,
    a_list_in_use_is_not_deleted,
    user_names_are_never_given_twice,
    a_user_is_edited_and_found,
    a_password_reset_raises_the_version,
    the_first_scram_iterations_hold_for_good,
    what_does_not_exist_is_not_found,
    every_edit_is_noticed_also_from_another_process,
    two_processes_edit_at_once,
    hashes_do_not_print,
);

async fn a_list_is_found_by_its_name_in_any_case(bench: Bench) {
    // The second name composes its accent from two characters.
    for (name, asked) in [("Shop", " sHOP "), ("Café", "cafe\u{301}")] {
        let list = bench.create_list(name).await.expect("a new name");
        let found = bench.list_by_name(asked).await.expect("readable");
        assert_eq!(found, Some(list));
    }
    assert_eq!(bench.lists().await.expect("readable").len(), 2);
    assert_eq!(bench.list_by_name("other").await.expect("readable"), None);
}

async fn a_name_is_given_to_one_list(bench: Bench) {
    bench.list("Shop").await;
    let second = bench.create_list("SHOP").await;
    let error = second.expect_err("the name is taken");
    assert_eq!(error.to_string(), "list named `SHOP` exists already");
    let mut other = bench.create_list("Other").await.expect("a new name");
    other.name = "shop".to_owned();
    let renamed = bench.update_list(&other).await;
    assert!(matches!(renamed, Err(StoreError::Conflict { .. })));
}

async fn a_list_keeps_its_settings(bench: Bench) {
    let mut list = bench.create_list("Shop").await.expect("a new name");
    assert_eq!((list.unauthorized, list.display_importance), (None, true));
    list.unauthorized = Some(Unauthorized::Block);
    list.display_importance = false;
    list.name = "Store".to_owned();
    bench.update_list(&list).await.expect("updated");
    let found = bench.list_by_name("store").await.expect("readable");
    assert_eq!(found, Some(list));
}

async fn a_list_in_use_is_not_deleted(bench: Bench) {
    let list = bench.list("Shop").await;
    let user = bench.create_user(new_user(list)).await.expect("a user");
    let refused = bench.delete_list(list).await.expect_err("it has a user");
    assert!(
        refused.to_string().ends_with("it still has 1 user"),
        "{refused}"
    );
    bench.delete_user(user.id).await.expect("deleted");

    let mut message = bench.new_message(&["a@example.net"]);
    message.meta.list_id = Some(list);
    let id = message.id;
    bench
        .accept(message.into(), Vec::new())
        .await
        .expect("accepted");
    let refused = bench.delete_list(list).await.expect_err("it has a message");
    assert!(
        refused.to_string().ends_with("1 queued message"),
        "{refused}"
    );
    let delivered = super::record(id, 0, crate::queue::RecipientStatus::Delivered, 1);
    bench.record(delivered).await.expect("recorded");
    bench.delete_list(list).await.expect("nothing needs it");
    assert!(
        bench.list("Shop").await > list,
        "its number is not given again"
    );
}

async fn user_names_are_never_given_twice(bench: Bench) {
    let list = bench.list("Shop").await;
    let mut names = Vec::new();
    for _ in 0..3 {
        let user = bench.create_user(new_user(list)).await.expect("a user");
        names.push(user.username);
        bench.delete_user(user.id).await.expect("deleted");
    }
    let expected: Vec<_> = (1..=3).map(|place| format!("s{list}_{place}")).collect();
    assert_eq!(names, expected);
}

async fn a_user_is_edited_and_found(bench: Bench) {
    let list = bench.create_list("Shop").await.expect("a new name");
    let other = bench.list("Other").await;
    let mut user = bench.create_user(new_user(list.id)).await.expect("a user");
    user.active = false;
    user.priority = Priority::Lowest;
    user.note = "; DROP TABLE account; --".to_owned();
    user.authorized_senders = "a@example.com; b@example.com".to_owned();
    bench.update_user(&user).await.expect("updated");
    let name = user.username.to_uppercase();
    assert_eq!(
        bench.user_by_name(&name).await.expect("readable"),
        Some(user.clone())
    );
    assert_eq!(
        bench.users(Some(list.id)).await.expect("readable"),
        [user.clone()]
    );
    assert_eq!(bench.users(Some(other)).await.expect("readable"), []);
    assert_eq!(bench.users(None).await.expect("readable").len(), 1);
    let account = bench
        .account(&name)
        .await
        .expect("readable")
        .expect("known");
    assert_eq!((account.user, account.list), (user, list));
}

async fn a_password_reset_raises_the_version(bench: Bench) {
    let list = bench.list("Shop").await;
    let user = bench.create_user(new_user(list)).await.expect("a user");
    bench
        .set_password(user.id, Secret::new("$argon2id$new".to_owned()), None)
        .await
        .expect("reset");
    let found = bench.user_by_name(&user.username).await.expect("readable");
    let found = found.expect("known");
    assert_eq!(found.credential_version, user.credential_version + 1);
    assert_eq!(found.password_hash.expose(), "$argon2id$new");
}

async fn the_first_scram_iterations_hold_for_good(bench: Bench) {
    let first = bench.scram_basis(5000).await.expect("settled");
    let later = bench.scram_basis(20_000).await.expect("settled");
    assert_eq!((first.iterations, later.iterations), (5000, 5000));
    assert_eq!(first.key.expose(), later.key.expose());
}

async fn what_does_not_exist_is_not_found(bench: Bench) {
    let list = bench.create_list("Shop").await.expect("a new name");
    let user = bench.create_user(new_user(list.id)).await.expect("a user");
    bench.delete_user(user.id).await.expect("deleted");
    bench.delete_list(list.id).await.expect("deleted");
    let answers = [
        bench.update_list(&list).await,
        bench.delete_list(list.id).await,
        bench.update_user(&user).await,
        bench.delete_user(user.id).await,
        bench
            .set_password(user.id, Secret::new("x".to_owned()), None)
            .await,
        bench.create_user(new_user(list.id)).await.map(drop),
    ];
    for answer in answers {
        assert!(
            matches!(answer, Err(StoreError::NotFound { .. })),
            "{answer:?}"
        );
    }
    assert_eq!(bench.account("s9_9").await.expect("readable"), None);
    assert!(bench.accepting());
}

async fn every_edit_is_noticed_also_from_another_process(bench: Bench) {
    let other = bench.another().await;
    let mut last = bench.accounts_generation().await.expect("readable");
    let mut list = other.create_list("Shop").await.expect("a new name");
    let mut noticed = async |what: &str| {
        let began = Instant::now();
        let mut now = bench.accounts_generation().await.expect("readable");
        // Nodes that share a server hear of it, which may take a moment.
        while bench.is_on_server() && now == last && began.elapsed() < Duration::from_secs(1) {
            tokio::task::yield_now().await;
            now = bench.accounts_generation().await.expect("readable");
        }
        assert!(now > last, "{what}");
        last = now;
    };
    noticed("create list").await;
    list.display_importance = false;
    other.update_list(&list).await.expect("updated");
    noticed("update list").await;
    let mut user = other.create_user(new_user(list.id)).await.expect("a user");
    noticed("create user").await;
    user.active = false;
    other.update_user(&user).await.expect("updated");
    noticed("update user").await;
    other
        .set_password(user.id, Secret::new("x".to_owned()), None)
        .await
        .expect("reset");
    noticed("reset password").await;
    other.delete_user(user.id).await.expect("deleted");
    noticed("delete user").await;
    other.delete_list(list.id).await.expect("deleted");
    noticed("delete list").await;
    other.close().await;
}

async fn two_processes_edit_at_once(bench: Bench) {
    let other = bench.another().await;
    let list = bench.list("Shop").await;
    let edits = async |store: &crate::store::Store| {
        for _ in 0..20 {
            store.create_user(new_user(list)).await.expect("a user");
        }
    };
    tokio::join!(edits(&bench), edits(&other));
    let users = bench.users(Some(list)).await.expect("readable");
    assert_eq!(users.len(), 40);
    other.close().await;
}

async fn hashes_do_not_print(bench: Bench) {
    let list = bench.list("Shop").await;
    let new = new_user(list);
    let printed = format!("{new:?}");
    let user = bench.create_user(new).await.expect("a user");
    let account = bench.account(&user.username).await.expect("readable");
    for text in [printed, format!("{user:?}"), format!("{account:?}")] {
        assert!(!text.contains("hunter2"), "{text}");
    }
}
