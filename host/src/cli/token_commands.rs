//! `gatepost token …`: lets programs use the API.

use clap::{Subcommand, ValueEnum};
use serde::Serialize;

use super::account_commands::find_list;
use super::operator_commands::find as find_operator;
use super::output::table;
use super::{Failure, Output};
use crate::admin::service::{ServiceError, TokenWish};
use crate::clock::Timestamp;
use crate::operators::{ApiToken, Scope};
use crate::store::Store;

/// `gatepost token …`
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token for a program, and print it once
    Add {
        /// What it is for
        name: String,
        /// The operator in whose name it acts
        #[arg(long, value_name = "NAME")]
        operator: String,
        /// What it allows; may be repeated
        #[arg(long = "scope", value_enum, required = true)]
        scopes: Vec<ScopeWord>,
        /// A list that it reaches; may be repeated. Without any it reaches what its operator does
        #[arg(long = "list", value_name = "NAME")]
        lists: Vec<String>,
    },
    /// List the tokens
    List,
    /// Delete a token, by the number that `token list` shows
    Delete {
        /// The number
        number: i64,
    },
}

/// What a token allows.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ScopeWord {
    /// Looking
    Read,
    /// Changing
    Write,
    /// Submitting messages
    Send,
    /// Making and changing operators: who has such a token can make itself one
    Operators,
}

impl ScopeWord {
    const fn scope(self) -> Scope {
        match self {
            Self::Read => Scope::Read,
            Self::Write => Scope::Write,
            Self::Send => Scope::Send,
            Self::Operators => Scope::Operators,
        }
    }
}

#[derive(Serialize)]
struct Made {
    number: i64,
    name: String,
    token: String,
}

#[derive(Serialize)]
struct Row {
    number: i64,
    name: String,
    operator: String,
    scopes: Vec<Scope>,
    /// None: all of the operator's.
    lists: Option<Vec<i64>>,
    created_at: String,
    used_at: Option<String>,
}

/// Runs the command.
pub async fn run(command: TokenCommand, store: &Store, output: Output) -> Result<(), Failure> {
    match command {
        TokenCommand::Add {
            name,
            operator,
            scopes,
            lists,
        } => add(store, (name, &operator), (&scopes, &lists), output).await,
        TokenCommand::List => show_all(store, output).await,
        TokenCommand::Delete { number } => {
            if !store.delete_api_token(number).await? {
                return Err(Failure::message(format!("there is no token {number}"))
                    .hint("`gatepost token list` shows their numbers"));
            }
            let deleted = serde_json::json!({ "deleted": number });
            output.print(&deleted, || format!("deleted token {number}"))
        }
    }
}

async fn add(
    store: &Store,
    (name, operator): (String, &str),
    (scopes, lists): (&[ScopeWord], &[String]),
    output: Output,
) -> Result<(), Failure> {
    let owner = find_operator(store, operator).await?;
    let mut numbers = Vec::new();
    for list in lists {
        let list = find_list(store, list).await?;
        if !owner.actor().reaches(list.id) {
            let text = format!("operator {operator} does not reach list {}", list.name);
            return Err(Failure::message(text)
                .hint("a token never reaches more than its operator: name another one"));
        }
        numbers.push(list.id);
    }
    let wish = TokenWish {
        name,
        scopes: scopes.iter().map(|word| word.scope()).collect(),
        lists: Some(numbers).filter(|numbers| !numbers.is_empty()),
    };
    wish.check().map_err(refused)?;
    let (new, token) = wish.made(owner.id);
    let made = store.create_api_token(new).await?;
    let made = Made {
        number: made.id,
        name: made.name,
        token,
    };
    output.print(&made, || {
        format!(
            "token {} for {}, shown this once:\n  {}",
            made.number, made.name, made.token
        )
    })
}

fn refused(error: ServiceError) -> Failure {
    Failure::message(format!("the token cannot be made: {error}"))
}

async fn show_all(store: &Store, output: Output) -> Result<(), Failure> {
    let rows: Vec<Row> = store.api_tokens(None).await?.into_iter().map(row).collect();
    output.print(&rows, || text(&rows))
}

fn row(token: ApiToken) -> Row {
    Row {
        number: token.id,
        name: token.name,
        operator: token.owner.name,
        scopes: token.scopes,
        lists: token.lists,
        created_at: token.created_at.to_whole_seconds(),
        used_at: token.used_at.map(Timestamp::to_whole_seconds),
    }
}

fn text(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "no token yet; make one with `gatepost token add`".to_owned();
    }
    let cells = |row: &Row| {
        let scopes: Vec<&str> = row.scopes.iter().map(|scope| scope.word()).collect();
        let lists = row.lists.as_ref().map(|lists| {
            let numbers: Vec<String> = lists.iter().map(ToString::to_string).collect();
            numbers.join(", ")
        });
        vec![
            row.number.to_string(),
            row.name.clone(),
            row.operator.clone(),
            scopes.join(", "),
            lists.unwrap_or_else(|| "all".to_owned()),
            row.used_at.clone().unwrap_or_else(|| "never".to_owned()),
        ]
    };
    let cells: Vec<Vec<String>> = rows.iter().map(cells).collect();
    let header = ["number", "name", "operator", "scopes", "lists", "used"];
    table(&header, &cells)
}
