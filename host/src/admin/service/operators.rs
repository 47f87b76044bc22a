//! Operators: who may sign in, what they reach, and their own passwords and codes.

use super::{Invalid, Service, ServiceError, only_operators};
use crate::accounts::password;
use crate::clock::Timestamp;
use crate::operators::{
    Actor, NewOperator, Operator, Role, Token, TotpKey, check_name, check_password,
};
use crate::secret::Secret;

impl Service {
    /// All operators, by name.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`].
    pub async fn operators(&self, actor: &Actor) -> Result<Vec<Operator>, ServiceError> {
        only_operators(actor)?;
        Ok(self.store().operators().await?)
    }

    /// One operator.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`], [`ServiceError::NotFound`].
    pub async fn operator(&self, actor: &Actor, id: i64) -> Result<Operator, ServiceError> {
        only_operators(actor)?;
        let found = self.store().operator(id).await?;
        found.ok_or_else(|| ServiceError::not_found("operator"))
    }

    /// Makes an operator and the link by which it chooses a password.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`], [`ServiceError::Invalid`].
    pub async fn add_operator(
        &self,
        actor: &Actor,
        new: NewOperator,
    ) -> Result<(Operator, Token), ServiceError> {
        only_operators(actor)?;
        self.check_operator(&new.name, new.role, &new.lists).await?;
        let made = self.store().create_operator(new).await;
        let operator = made.map_err(|error| name_taken(error.into()))?;
        let link = self.link(operator.id).await?;
        Ok((operator, link))
    }

    /// Changes name, role, lists and whether it may sign in.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`], [`ServiceError::NotFound`], [`ServiceError::Invalid`], and
    /// [`ServiceError::Conflict`] when no active operator would be left.
    pub async fn edit_operator(
        &self,
        actor: &Actor,
        changed: Operator,
    ) -> Result<(), ServiceError> {
        only_operators(actor)?;
        self.check_operator(&changed.name, changed.role, &changed.lists)
            .await?;
        let updated = self.store().update_operator(&changed).await;
        updated.map_err(|error| name_taken(error.into()))
    }

    /// Deletes an operator; its sessions end.
    ///
    /// # Errors
    /// As [`Service::edit_operator`].
    pub async fn delete_operator(&self, actor: &Actor, id: i64) -> Result<Operator, ServiceError> {
        let operator = self.operator(actor, id).await?;
        self.store().delete_operator(id).await?;
        Ok(operator)
    }

    /// Forgets password and codes of an operator, ends its sessions, and makes a link for a new password.
    ///
    /// # Errors
    /// As [`Service::edit_operator`].
    pub async fn reset_operator(&self, actor: &Actor, id: i64) -> Result<Token, ServiceError> {
        self.operator(actor, id).await?;
        self.store().reset_operator(id).await?;
        self.link(id).await
    }

    /// Ends every session of an operator.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`], [`ServiceError::NotFound`].
    pub async fn end_sessions(&self, actor: &Actor, id: i64) -> Result<(), ServiceError> {
        self.operator(actor, id).await?;
        Ok(self.store().end_sessions(id).await?)
    }

    /// The operator that asks, as it is kept.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] when it was deleted meanwhile.
    pub async fn own_account(&self, actor: &Actor) -> Result<Operator, ServiceError> {
        let found = self.store().operator(actor.id).await?;
        found.ok_or_else(|| ServiceError::not_found("operator"))
    }

    /// Replaces the own password; every session ends, this one too.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] when the present one is wrong or the new one is none.
    pub async fn change_password(
        &self,
        actor: &Actor,
        present: &Secret<String>,
        new: &Secret<String>,
    ) -> Result<(), ServiceError> {
        let own = self.own_account(actor).await?;
        self.confirm(&own, present, "present").await?;
        check_password(new.expose(), &own.name)
            .map_err(|problem| ServiceError::invalid("new", problem.to_string()))?;
        let hash = self.hash(new).await?;
        Ok(self.store().set_operator_password(own.id, hash).await?)
    }

    /// Turns one-time codes on, when the code shows that the app has the key.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`], and [`ServiceError::Conflict`] when they are on: who finds a session open must
    /// not change the key without the password.
    pub async fn turn_codes_on(
        &self,
        actor: &Actor,
        key: TotpKey,
        code: &str,
    ) -> Result<(), ServiceError> {
        if self.own_account(actor).await?.totp.is_some() {
            let message =
                "one-time codes are on; turn them off first, which asks for your password";
            return Err(ServiceError::Conflict(message.to_owned()));
        }
        let Some(step) = key.step_of(code, self.store().now()) else {
            let message = "this is not the code that the app shows now";
            return Err(ServiceError::invalid("code", message));
        };
        self.store().set_operator_totp(actor.id, Some(key)).await?;
        // The code that was just typed is used.
        self.store().use_totp_step(actor.id, step).await?;
        Ok(())
    }

    /// Turns one-time codes off, when the password shows that it is them.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`].
    pub async fn turn_codes_off(
        &self,
        actor: &Actor,
        present: &Secret<String>,
    ) -> Result<(), ServiceError> {
        let own = self.own_account(actor).await?;
        self.confirm(&own, present, "present").await?;
        Ok(self.store().set_operator_totp(actor.id, None).await?)
    }

    /// Makes a one-time link for an operator; an earlier one holds no more.
    pub(super) async fn link(&self, id: i64) -> Result<Token, ServiceError> {
        let token = Token::generate();
        let until = Timestamp::now() + self.config().link_lifetime();
        let made = self.store().create_operator_link(id, token.digest(), until);
        made.await?;
        Ok(token)
    }

    /// Hashes a chosen password, off the threads that serve.
    pub(super) async fn hash(
        &self,
        chosen: &Secret<String>,
    ) -> Result<Secret<String>, ServiceError> {
        let (chosen, config) = (chosen.clone(), self.rooms.accounts.clone());
        let hashed = tokio::task::spawn_blocking(move || password::hash(&chosen, &config)).await;
        match hashed {
            Ok(Ok(hash)) => Ok(Secret::new(hash)),
            Ok(Err(error)) => Err(accounts_failed(error.into())),
            Err(error) => Err(accounts_failed(error.into())),
        }
    }

    async fn confirm(
        &self,
        own: &Operator,
        present: &Secret<String>,
        field: &'static str,
    ) -> Result<(), ServiceError> {
        let hash = own
            .password_hash
            .as_ref()
            .map(|hash| hash.expose().as_str());
        let right = match hash {
            Some(hash) => {
                let version = own.credential_version;
                self.verifier.verify(own.id, version, hash, present).await?
            }
            None => false,
        };
        if right {
            Ok(())
        } else {
            Err(ServiceError::invalid(field, "this is not your password"))
        }
    }

    async fn check_operator(
        &self,
        name: &str,
        role: Role,
        lists: &[i64],
    ) -> Result<(), ServiceError> {
        let mut invalid = Invalid::default();
        if let Err(problem) = check_name(name) {
            invalid.add("name", problem.to_string());
        }
        if role == Role::ListManager {
            for id in lists {
                if self.store().list(*id).await?.is_none() {
                    invalid.add("lists", format!("there is no list number {id}"));
                }
            }
        }
        invalid.into_result()
    }
}

fn accounts_failed(error: crate::accounts::VerifierError) -> ServiceError {
    error.into()
}

/// A conflict of names belongs to the field.
fn name_taken(error: ServiceError) -> ServiceError {
    match error {
        ServiceError::Conflict(text) if text.contains("named") => {
            ServiceError::invalid("name", "another operator has this name")
        }
        other => other,
    }
}
