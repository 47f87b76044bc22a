//! The nodes that share the store.

use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use super::Site;
use super::answer::page;
use super::errors::UiError;
use super::frame::Frame;
use super::html;
use super::visit::Visitor;
use crate::admin::service::NodeReport;
use crate::store::{Ending, Node};

/// Characters of a digest that are shown.
const SHOWN_DIGEST: usize = 12;

/// Their path.
pub fn routes() -> Router<Site> {
    Router::new().route("/nodes", get(nodes))
}

#[derive(Template)]
#[template(path = "nodes.html")]
struct NodesPage {
    frame: Frame,
    report: NodeReport,
}

impl NodesPage {
    fn alive(&self) -> usize {
        let nodes = self.report.nodes.iter();
        nodes.filter(|node| node.ended.is_none()).count()
    }

    fn is_here(&self, node: &Node) -> bool {
        self.report.here == Some(node.id)
    }

    /// One that was lost is bad news until it is back.
    fn badge(&self, node: &Node) -> &'static str {
        match node.ended {
            None if node.is_late() => "warn",
            None => "good",
            Some(_) if node.is_missing(&self.report.nodes) => "bad",
            Some(_) => "plain",
        }
    }

    fn state(&self, node: &Node) -> &'static str {
        match node.ended {
            Some((_, Ending::Lost)) if !node.is_missing(&self.report.nodes) => "lost, and back",
            _ => node.state(),
        }
    }

    fn heard(&self, node: &Node) -> String {
        match node.silent_ms.unsigned_abs() / 1000 {
            seconds @ 0..=119 => format!("{seconds} s ago"),
            seconds => format!("{} ago", html::duration(&Duration::from_secs(seconds))),
        }
    }

    /// What it serves a minute; nothing when it has ended.
    fn rate(&self, node: &Node) -> String {
        match node.ended {
            None => html::grouped(node.rate.unsigned_abs()),
            Some(_) => String::new(),
        }
    }

    fn digest<'a>(&self, node: &'a Node) -> &'a str {
        let digest = node.facts.policies.as_str();
        digest.get(..SHOWN_DIGEST).unwrap_or(digest)
    }
}

async fn nodes(State(site): State<Site>, visitor: Visitor) -> Result<Response, UiError> {
    let report = site.service.node_report(&visitor.actor).await?;
    Ok(page(&NodesPage {
        frame: site.frame(&visitor, "Nodes", "nodes"),
        report,
    }))
}
