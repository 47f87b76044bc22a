//! Tokens of the API: making them, and who asks with one.

use std::time::Duration;

use super::{Invalid, Service, ServiceError};
use crate::clock::Timestamp;
use crate::operators::{Actor, ApiToken, NewApiToken, Scope, Token, check_name};

/// Between two notes that a token is in use.
const USE_EVERY: Duration = Duration::from_secs(60);
/// What a token begins with, so that people and programs that look for secrets know one.
const PREFIX: &str = "gp_";

/// What somebody wants a token for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenWish {
    /// What it is for.
    pub name: String,
    /// What it is to allow.
    pub scopes: Vec<Scope>,
    /// The only lists that it is to reach; none: all of its owner's.
    pub lists: Option<Vec<i64>>,
}

impl TokenWish {
    /// What is wrong with it, whoever asks.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`].
    pub fn check(&self) -> Result<(), ServiceError> {
        let mut invalid = Invalid::default();
        if let Err(problem) = check_name(&self.name) {
            invalid.add("name", problem.to_string());
        }
        if self.scopes.is_empty() {
            invalid.add(
                "scopes",
                "choose one at least: read, write, send or operators",
            );
        }
        if self.lists.as_ref().is_some_and(Vec::is_empty) {
            invalid.add("lists", "choose one list at least, or leave them out");
        }
        invalid.into_result()
    }

    /// What is kept of it, and the token as its owner is shown it.
    pub fn made(self, owner: i64) -> (NewApiToken, String) {
        let token = Token::generate();
        let mut scopes = self.scopes;
        scopes.sort_by_key(|scope| scope.bit());
        scopes.dedup();
        let new = NewApiToken {
            name: self.name,
            owner,
            scopes,
            lists: self.lists,
            digest: token.digest(),
        };
        (new, format!("{PREFIX}{}", token.expose()))
    }
}

impl Service {
    /// Who asks with this text; none when it is no token, or of one who may not sign in.
    ///
    /// # Errors
    /// [`ServiceError::Unavailable`].
    pub async fn token(&self, shown: &str) -> Result<Option<ApiToken>, ServiceError> {
        let Some(token) = shown.strip_prefix(PREFIX).and_then(Token::parse) else {
            return Ok(None);
        };
        let Some(found) = self.store().api_token(token.digest()).await? else {
            return Ok(None);
        };
        let now = Timestamp::now();
        if found.used_at.is_none_or(|used| now - USE_EVERY >= used) {
            self.store().use_api_token(found.id, now).await?;
        }
        Ok(Some(found))
    }

    /// The tokens of whoever asks; operators see everybody's.
    ///
    /// # Errors
    /// [`ServiceError::Unavailable`].
    pub async fn tokens(&self, actor: &Actor) -> Result<Vec<ApiToken>, ServiceError> {
        let owner = (!actor.is_operator()).then_some(actor.id);
        Ok(self.store().api_tokens(owner).await?)
    }

    /// Makes a token of whoever asks; its text is known now and never again.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`], also for lists that are not theirs.
    pub async fn add_token(
        &self,
        actor: &Actor,
        wish: TokenWish,
    ) -> Result<(ApiToken, String), ServiceError> {
        wish.check()?;
        let theirs = self.all_lists(actor).await?;
        let is_theirs = |list: &i64| theirs.iter().any(|known| known.id == *list);
        if let Some(other) = wish.lists.iter().flatten().find(|list| !is_theirs(list)) {
            return Err(ServiceError::invalid(
                "lists",
                format!("there is no list {other}"),
            ));
        }
        let (new, shown) = wish.made(actor.id);
        Ok((self.store().create_api_token(new).await?, shown))
    }

    /// Deletes a token; whoever uses it is shut out at once.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], also for one of others.
    pub async fn delete_token(&self, actor: &Actor, id: i64) -> Result<ApiToken, ServiceError> {
        let tokens = self.tokens(actor).await?;
        let found = tokens.into_iter().find(|token| token.id == id);
        let token = found.ok_or_else(|| ServiceError::not_found("token"))?;
        self.store().delete_api_token(id).await?;
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_for_something_and_allows_something() {
        let wish = TokenWish {
            lists: Some(Vec::new()),
            ..TokenWish::default()
        };
        let Err(ServiceError::Invalid(invalid)) = wish.check() else {
            panic!("it is invalid");
        };
        let fields: Vec<_> = invalid.problems().iter().map(|one| one.field).collect();
        assert_eq!(fields, ["name", "scopes", "lists"]);
    }

    #[test]
    fn what_is_shown_is_not_what_is_kept() {
        let wish = TokenWish {
            name: "shop".to_owned(),
            scopes: vec![Scope::Send, Scope::Read, Scope::Send],
            lists: None,
        };
        let (new, shown) = wish.made(1);
        assert_eq!(new.scopes, [Scope::Read, Scope::Send]);
        let parsed = Token::parse(shown.strip_prefix(PREFIX).expect("the prefix"));
        assert_eq!(parsed.expect("a token").digest(), new.digest);
    }
}
