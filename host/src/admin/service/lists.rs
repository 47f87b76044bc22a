//! Lists: their settings, who may see them, making and deleting.

use super::{Invalid, Service, ServiceError, only_operators};
use crate::accounts::{List, PolicySettings, Unauthorized, check_list_name, unknown_identity};
use crate::operators::Actor;

/// Lists on one page. Default 50.
pub const LISTS_ON_A_PAGE: u32 = 50;

/// Everything that can be set on a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListSettings {
    /// Its name.
    pub name: String,
    /// What happens to unauthorized senders; none: as the policy's settings say.
    pub unauthorized: Option<Unauthorized>,
    /// The identities that are checked; none: as the policy's settings say.
    pub check: Option<Vec<String>>,
    /// Whether messages of priority 1 are shown as important to their readers.
    pub display_importance: bool,
    /// Whether recipients that do not exist are remembered and not tried again.
    pub suppress_bounces: bool,
    /// The route that its mail takes; none: where all mail goes.
    pub route: Option<String>,
    /// What it tells the policies.
    pub policy_settings: PolicySettings,
}

impl Default for ListSettings {
    fn default() -> Self {
        Self {
            name: String::new(),
            unauthorized: None,
            check: None,
            display_importance: true,
            suppress_bounces: false,
            route: None,
            policy_settings: PolicySettings::default(),
        }
    }
}

/// One line of the table of lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListRow {
    /// The list.
    pub list: List,
    /// Its users.
    pub users: i64,
}

/// A page of lists, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListPage {
    /// The lists.
    pub rows: Vec<ListRow>,
    /// The page's number, from 1.
    pub number: u32,
    /// True when another follows.
    pub has_next: bool,
}

impl Service {
    /// A page of the lists that are theirs and whose name contains the text.
    ///
    /// # Errors
    /// [`ServiceError::Unavailable`].
    pub async fn lists(
        &self,
        actor: &Actor,
        search: &str,
        number: u32,
    ) -> Result<ListPage, ServiceError> {
        let number = number.max(1);
        let manager = (!actor.is_operator()).then_some(actor.id);
        let from = (number - 1).saturating_mul(LISTS_ON_A_PAGE);
        let page = self
            .store()
            .list_page(manager, search, from, LISTS_ON_A_PAGE + 1);
        let mut found = page.await?;
        let has_next = found.len() > LISTS_ON_A_PAGE as usize;
        found.truncate(LISTS_ON_A_PAGE as usize);
        let rows = found.into_iter();
        Ok(ListPage {
            rows: rows.map(|(list, users)| ListRow { list, users }).collect(),
            number,
            has_next,
        })
    }

    /// All lists that are theirs, in the order they were made: to choose from.
    ///
    /// # Errors
    /// [`ServiceError::Unavailable`].
    pub async fn all_lists(&self, actor: &Actor) -> Result<Vec<List>, ServiceError> {
        let mut lists = self.store().lists().await?;
        lists.retain(|list| actor.reaches(list.id));
        Ok(lists)
    }

    /// What is set on a list.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub async fn list_settings(
        &self,
        actor: &Actor,
        id: i64,
    ) -> Result<ListSettings, ServiceError> {
        let list = self.list(actor, id).await?;
        let suppressing = self.store().suppressing_lists().await?;
        let check = list.check.as_deref();
        Ok(ListSettings {
            name: list.name,
            unauthorized: list.unauthorized,
            check: check.map(|text| text.split(',').map(str::to_owned).collect()),
            display_importance: list.display_importance,
            suppress_bounces: suppressing.iter().any(|(known, _)| *known == id),
            route: list.route,
            policy_settings: list.policy_settings,
        })
    }

    /// Makes a list.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`], [`ServiceError::Invalid`].
    pub async fn add_list(
        &self,
        actor: &Actor,
        settings: ListSettings,
    ) -> Result<List, ServiceError> {
        only_operators(actor)?;
        self.check_list(&settings, None)?;
        let made = self.store().create_list(&settings.name).await;
        let list = made.map_err(|error| name_taken(error.into()))?;
        self.set_list(&list, settings).await
    }

    /// Changes a list. Its route is the operators' alone: it decides over which host mail leaves.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::Forbidden`], [`ServiceError::Invalid`].
    pub async fn edit_list(
        &self,
        actor: &Actor,
        id: i64,
        settings: ListSettings,
    ) -> Result<List, ServiceError> {
        let list = self.list(actor, id).await?;
        if settings.route != list.route {
            only_operators(actor)?;
        }
        self.check_list(&settings, list.route.as_deref())?;
        self.set_list(&list, settings).await
    }

    /// Deletes a list that has neither users nor open messages.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::Forbidden`], [`ServiceError::Conflict`].
    pub async fn delete_list(&self, actor: &Actor, id: i64) -> Result<List, ServiceError> {
        let list = self.list(actor, id).await?;
        only_operators(actor)?;
        self.store().delete_list(id).await?;
        Ok(list)
    }

    async fn set_list(&self, list: &List, settings: ListSettings) -> Result<List, ServiceError> {
        let changed = List {
            name: settings.name,
            unauthorized: settings.unauthorized,
            check: settings.check.map(|identities| identities.join(",")),
            display_importance: settings.display_importance,
            route: settings.route,
            policy_settings: settings.policy_settings,
            ..list.clone()
        };
        let updated = self.store().update_list(&changed).await;
        updated.map_err(|error| name_taken(error.into()))?;
        let suppress = settings.suppress_bounces;
        self.store().set_suppressing(list.id, suppress).await?;
        Ok(changed)
    }

    /// A route that there is not would keep all mail of the list waiting; one that it has already may stay.
    fn check_list(&self, settings: &ListSettings, known: Option<&str>) -> Result<(), ServiceError> {
        let mut invalid = Invalid::default();
        check_name(&settings.name, &mut invalid);
        let check = settings.check.iter().flatten();
        if settings.check.as_ref().is_some_and(Vec::is_empty) {
            invalid.add(
                "check",
                "choose one identity at least, or leave it to the configuration",
            );
        }
        if let Some(identity) = unknown_identity(check.map(String::as_str)) {
            invalid.add("check", format!("`{identity}` is not an identity"));
        }
        if let Some(route) = &settings.route
            && settings.route.as_deref() != known
            && !self.routes().contains(route)
        {
            invalid.add("route", format!("the configuration has no route `{route}`"));
        }
        invalid.into_result()
    }
}

fn check_name(name: &str, invalid: &mut Invalid) {
    if name.is_empty() {
        invalid.add("name", "give the list a name");
    } else if let Err(problem) = check_list_name(name) {
        invalid.add("name", problem.to_string());
    }
}

/// A conflict of names belongs to the field.
fn name_taken(error: ServiceError) -> ServiceError {
    match error {
        ServiceError::Conflict(_) => ServiceError::invalid("name", "another list has this name"),
        other => other,
    }
}
