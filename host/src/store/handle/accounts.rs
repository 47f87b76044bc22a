//! Lists and users.

use crate::accounts::{Account, List, Suspension, Usage, User, scram};
use crate::alert::NewAlert;
use crate::clock::Timestamp;
use crate::secret::Secret;
use crate::store::accounts::{self, Edit};
use crate::store::jobs::Work;
use crate::store::suspensions::NewSuspension;
use crate::store::{NewUser, Store, StoreError, sent};

impl Store {
    /// Makes a list.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when one of that name exists.
    pub async fn create_list(&self, name: &str) -> Result<List, StoreError> {
        let id = self.edit(Edit::CreateList(name.to_owned())).await?;
        let made = accounts::list(&self.shared.readers, id).await?;
        made.ok_or_else(|| gone("list", id))
    }

    /// The list of that name, without regard to case.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn list_by_name(&self, name: &str) -> Result<Option<List>, StoreError> {
        accounts::list_by_name(&self.shared.readers, name).await
    }

    /// All lists, in the order they were made.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn lists(&self) -> Result<Vec<List>, StoreError> {
        accounts::lists(&self.shared.readers).await
    }

    /// Changes a list's name and settings.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when another has that name, [`StoreError::NotFound`].
    pub async fn update_list(&self, list: &List) -> Result<(), StoreError> {
        self.edit(Edit::UpdateList(list.clone())).await.map(drop)
    }

    /// Deletes a list; its number is never given again.
    ///
    /// # Errors
    /// [`StoreError::InUse`] while it has users or open messages, [`StoreError::NotFound`].
    pub async fn delete_list(&self, id: i64) -> Result<(), StoreError> {
        self.edit(Edit::DeleteList(id)).await.map(drop)
    }

    /// Makes a user and gives it a name that no user of the list has ever had.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such list.
    pub async fn create_user(&self, user: NewUser) -> Result<User, StoreError> {
        let id = self.edit(Edit::CreateUser(user)).await?;
        let made = accounts::user(&self.shared.readers, id).await?;
        made.ok_or_else(|| gone("user", id))
    }

    /// The user of that name, without regard to case.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn user_by_name(&self, username: &str) -> Result<Option<User>, StoreError> {
        accounts::user_by_name(&self.shared.readers, username).await
    }

    /// All users, or those of one list, in the order they were made.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn users(&self, list: Option<i64>) -> Result<Vec<User>, StoreError> {
        accounts::users(&self.shared.readers, list).await
    }

    /// Changes what an administrator may edit: never the name, the list or the credential. A user
    /// that was suspended and becomes active is no more, and begins with nothing sent.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn update_user(&self, user: &User) -> Result<(), StoreError> {
        self.edit(Edit::UpdateUser(user.clone())).await.map(drop)
    }

    /// Deletes a user; messages it has submitted stay.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn delete_user(&self, id: i64) -> Result<(), StoreError> {
        self.edit(Edit::DeleteUser(id)).await.map(drop)
    }

    /// Makes an active user inactive and raises the alert, both or none; true when that was done,
    /// false when it is not active or not there. [`Store::update_user`] makes it active again.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn suspend_user(
        &self,
        user_id: i64,
        suspension: Suspension,
        alert: NewAlert,
    ) -> Result<bool, StoreError> {
        let new = NewSuspension {
            user_id,
            suspension,
            alert,
        };
        let is_done = self.write(Work::Suspend(new)).await? > 0;
        self.shared.changes.touch();
        self.raised(is_done);
        Ok(is_done)
    }

    /// How many messages of a user were accepted within a day, or since its suspension was lifted.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn usage(&self, username: &str, now: Timestamp) -> Result<Usage, StoreError> {
        sent::usage(&self.shared.readers, username, now).await
    }

    /// Replaces a user's credential, the password's hash and what SCRAM needs of it, and raises its version.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn set_password(
        &self,
        user_id: i64,
        hash: Secret<String>,
        scram_verifier: Option<Secret<String>>,
    ) -> Result<(), StoreError> {
        self.edit(Edit::SetPasswordHash(user_id, hash, scram_verifier))
            .await
            .map(drop)
    }

    /// What SCRAM verifiers have in common; made with the store, but for the iterations: the first ones ever
    /// wanted hold for good.
    ///
    /// # Errors
    /// The store cannot be read or written, or what it says cannot be.
    pub async fn scram_basis(&self, iterations: u32) -> Result<scram::Basis, StoreError> {
        let settled = self.edit(Edit::SettleScramIterations(iterations)).await?;
        accounts::scram_basis(&self.shared.readers, settled).await
    }

    /// A number that grows with every change of a list or user, also one made by another process.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn accounts_generation(&self) -> Result<i64, StoreError> {
        // Before it is read: what is committed meanwhile shows at the next look.
        let stamp = self.shared.changes.look();
        let known = *self.shared.generation.lock();
        if let Some((_, generation)) = known.filter(|(known, _)| stamp == Some(*known)) {
            return Ok(generation);
        }
        let generation = accounts::generation(&self.shared.readers).await?;
        *self.shared.generation.lock() = stamp.map(|stamp| (stamp, generation));
        Ok(generation)
    }

    /// The user of that name with its list, without regard to case.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn account(&self, username: &str) -> Result<Option<Account>, StoreError> {
        accounts::account(&self.shared.readers, username).await
    }
}

/// What was made has been deleted by someone else before it could be read.
fn gone(what: &str, id: i64) -> StoreError {
    StoreError::NotFound {
        what: format!("{what} number {id}"),
    }
}
