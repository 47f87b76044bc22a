//! Pages of lists and of users, for people who look through them.

use super::accounts::name_key;
use super::sql::{self, Row};
use super::{Store, StoreError, accounts, rows};
use crate::accounts::{List, User};

/// With what a list manager may see alone, when one is named.
const SELECT_LISTS: &str = "SELECT id AS list_id, name AS list_name, \
     unauthorized AS list_unauthorized, sender_check AS list_check, \
     display_importance AS list_display_importance, policy_settings AS list_policy_settings, \
     route_name AS list_route, created_at AS list_created_at, \
     (SELECT COUNT(*) FROM account WHERE account.list_id = list.id) AS users FROM list \
     WHERE ($1 IS NULL OR id IN (SELECT list_id FROM operator_list WHERE operator_id = $1)) \
     AND ($2 = '' OR instr(name_key, $2) > 0) ORDER BY name_key LIMIT $3 OFFSET $4";
/// What is skipped is counted in the index alone.
const SELECT_USERS: &str = "SELECT * FROM account WHERE id IN \
     (SELECT id FROM account WHERE list_id = $1 ORDER BY id LIMIT $2 OFFSET $3) ORDER BY id";
const SEARCH_USERS: &str = "SELECT * FROM account WHERE list_id = $1 \
     AND (instr(username, $2) > 0 OR instr(lower(note), $2) > 0 \
     OR instr(lower(authorized_domains), $2) > 0 OR instr(lower(authorized_senders), $2) > 0) \
     ORDER BY id LIMIT $3 OFFSET $4";

const SELECT_USERS_AFTER: &str = "SELECT * FROM account WHERE list_id = $1 AND id > $2 \
     AND ($3 = '' OR instr(username, $3) > 0 OR instr(lower(note), $3) > 0 \
     OR instr(lower(authorized_domains), $3) > 0 OR instr(lower(authorized_senders), $3) > 0) \
     ORDER BY id LIMIT $4";

impl Store {
    /// Users of a list in the order they were made, whose name, note or authorizations contain the text, from the one
    /// behind number `after` on.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn users_after(
        &self,
        list: i64,
        search: &str,
        after: i64,
        limit: u32,
    ) -> Result<Vec<User>, StoreError> {
        let query = sql::query(SELECT_USERS_AFTER)
            .bind(list)
            .bind(after)
            .bind(name_key(search))
            .bind(limit);
        let found = query.fetch_all(&self.shared.readers).await;
        let found = found.map_err(|error| StoreError::reading("the users", error))?;
        found.iter().map(rows::user).collect()
    }

    /// The list of that number.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn list(&self, id: i64) -> Result<Option<List>, StoreError> {
        accounts::list(&self.shared.readers, id).await
    }

    /// Lists by name, each with the number of its users: those of a list manager when one is named, whose
    /// name contains the text, without the first `skip`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn list_page(
        &self,
        manager: Option<i64>,
        search: &str,
        skip: u32,
        limit: u32,
    ) -> Result<Vec<(List, i64)>, StoreError> {
        let query = sql::query(SELECT_LISTS)
            .bind(manager)
            .bind(name_key(search))
            .bind(limit)
            .bind(skip);
        let found = query.fetch_all(&self.shared.readers).await;
        let found = found.map_err(|error| StoreError::reading("the lists", error))?;
        let row = |row: &Row| Ok((rows::list(row)?, rows::get(row, "users")?));
        found.iter().map(row).collect()
    }

    /// Users of a list in the order they were made, whose name, note or authorizations contain the text,
    /// without the first `skip`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn user_page(
        &self,
        list_id: i64,
        search: &str,
        skip: u32,
        limit: u32,
    ) -> Result<Vec<User>, StoreError> {
        let search = name_key(search);
        let query = if search.is_empty() {
            sql::query(SELECT_USERS).bind(list_id)
        } else {
            sql::query(SEARCH_USERS).bind(list_id).bind(search)
        };
        let query = query.bind(limit).bind(skip);
        let found = query.fetch_all(&self.shared.readers).await;
        let found = found.map_err(|error| StoreError::reading("the users", error))?;
        found.iter().map(rows::user).collect()
    }
}
