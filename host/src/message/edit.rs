//! Changes to a header section: fields that go and fields that come.

use super::compose::NewField;
use super::field::Field;
use super::header::HeaderSection;

/// One change to a header section. Changes are made in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Every field of that name goes, without regard to case, also one that came by an earlier change.
    Remove(String),
    /// A field comes behind those that are there.
    Add(NewField),
    /// The same, unless there is one of its name.
    AddMissing(NewField),
}

/// A field of an edited section.
pub(super) enum Item<'a> {
    /// One that was there.
    Kept(&'a Field<'a>),
    /// One that came.
    Added(&'a NewField),
}

impl Item<'_> {
    fn is_called(&self, name: &str) -> bool {
        let own = match self {
            Self::Kept(field) => field.name(),
            Self::Added(field) => field.name(),
        };
        own.eq_ignore_ascii_case(name)
    }

    /// True for the fields by which a message says how urgent it is.
    pub(super) fn is_priority(&self) -> bool {
        match self {
            Self::Kept(field) => field.kind().is_priority(),
            Self::Added(field) => {
                Field::read(field.raw()).is_some_and(|field| field.kind().is_priority())
            }
        }
    }
}

/// The fields of a section after the changes, in order.
pub(super) fn edited<'a>(section: &'a HeaderSection<'a>, edits: &'a [Edit]) -> Vec<Item<'a>> {
    let mut items: Vec<Item<'a>> = section.fields().map(Item::Kept).collect();
    for edit in edits {
        match edit {
            Edit::Remove(name) => items.retain(|item| !item.is_called(name)),
            Edit::Add(field) => items.push(Item::Added(field)),
            Edit::AddMissing(field) => {
                if !items.iter().any(|item| item.is_called(field.name())) {
                    items.push(Item::Added(field));
                }
            }
        }
    }
    items
}
