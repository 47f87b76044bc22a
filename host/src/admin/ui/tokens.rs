//! Tokens of the API: making one, which is shown once, and deleting them.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};

use super::Site;
use super::answer::{page, page_with, see_other};
use super::errors::UiError;
use super::fields::Fields;
use super::frame::{Flash, Frame};
use super::html;
use super::visit::Visitor;
use crate::accounts::List;
use crate::admin::service::{Invalid, ServiceError, TokenWish};
use crate::operators::{ApiToken, Scope};
use crate::secret::Secret;

/// Under what a new token waits for the page that shows it.
const ONCE: &str = "token";
const PLACE: &str = "/account/tokens";

/// Its paths.
pub fn routes() -> Router<Site> {
    Router::new()
        .route(PLACE, get(tokens).post(add))
        .route("/account/tokens/{id}/delete", post(delete))
}

#[derive(Template)]
#[template(path = "tokens.html")]
struct TokensPage {
    frame: Frame,
    tokens: Vec<ApiToken>,
    lists: Vec<List>,
    /// One that was just made.
    made: Option<String>,
    wish: TokenWish,
    invalid: Invalid,
}

impl TokensPage {
    fn scopes_of(&self, token: &ApiToken) -> String {
        let words: Vec<&str> = token.scopes.iter().map(|scope| scope.word()).collect();
        words.join(", ")
    }

    fn lists_of(&self, token: &ApiToken) -> String {
        let Some(own) = &token.lists else {
            return "all".to_owned();
        };
        super::lists::named(&self.lists, own)
    }

    fn may_manage(&self) -> bool {
        let actor = self.frame.actor.as_ref();
        actor.is_some_and(crate::operators::Actor::is_operator)
    }

    fn has_scope(&self, word: &str) -> bool {
        self.wish.scopes.iter().any(|scope| scope.word() == word)
    }

    fn has_list(&self, id: &i64) -> bool {
        self.wish.lists.iter().flatten().any(|list| list == id)
    }
}

async fn tokens(State(site): State<Site>, visitor: Visitor) -> Result<Response, UiError> {
    let session = visitor.signed.session.digest;
    let made = site.once.take(session, ONCE);
    let wish = TokenWish {
        scopes: vec![Scope::Read],
        ..TokenWish::default()
    };
    let shown = tokens_page(&site, &visitor, wish, Invalid::default()).await?;
    Ok(page(&TokensPage {
        made: made.map(|made| made.expose().clone()),
        ..shown
    }))
}

async fn tokens_page(
    site: &Site,
    visitor: &Visitor,
    wish: TokenWish,
    invalid: Invalid,
) -> Result<TokensPage, UiError> {
    Ok(TokensPage {
        frame: site.frame(visitor, "Tokens for programs", "account"),
        tokens: site.service.tokens(&visitor.actor).await?,
        lists: site.service.all_lists(&visitor.actor).await?,
        made: None,
        wish,
        invalid,
    })
}

async fn add(
    State(site): State<Site>,
    visitor: Visitor,
    fields: Fields,
) -> Result<Response, UiError> {
    let scopes = fields.all("scopes").iter();
    let lists = fields.all("lists").iter();
    let lists: Vec<i64> = lists.filter_map(|text| text.parse().ok()).collect();
    let wish = TokenWish {
        name: fields.text("name").to_owned(),
        scopes: scopes.filter_map(|word| Scope::from_word(word)).collect(),
        lists: Some(lists).filter(|lists| !lists.is_empty()),
    };
    match site.service.add_token(&visitor.actor, wish.clone()).await {
        Ok((_, shown)) => {
            let session = visitor.signed.session.digest;
            site.once.keep(session, ONCE, Secret::new(shown));
            Ok(see_other(PLACE))
        }
        Err(ServiceError::Invalid(invalid)) => {
            let made = tokens_page(&site, &visitor, wish, invalid).await?;
            Ok(page_with(StatusCode::UNPROCESSABLE_ENTITY, &made))
        }
        Err(error) => Err(error.into()),
    }
}

async fn delete(
    State(site): State<Site>,
    visitor: Visitor,
    Path(id): Path<i64>,
) -> Result<Response, UiError> {
    let token = site.service.delete_token(&visitor.actor, id).await?;
    let flash = Flash::done(format!("The token {} is deleted.", token.name));
    Ok(visitor.visit.say(see_other(PLACE), &flash))
}
