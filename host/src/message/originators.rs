//! Finds out who a message says it is from: every mailbox of its From and Sender fields.
//!
//! The grammar is RFC 5322 §3.4 with the obsolete forms of §4.4 and the UTF-8 of RFC 6532. It is
//! read strictly, because a reader that guesses lets a sender show one address and be checked for another.

use std::borrow::Cow;

use super::address::Address;
use super::lexer::{Lexer, Token, push_quoted};

/// Part of an originator field is not a mailbox, or has more than one plausible reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the field is not a list of mailboxes")]
pub(super) struct Unreadable;

/// Who a message says it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Originators {
    /// Every mailbox of every From field, groups expanded, in order.
    pub from: Vec<Address>,
    /// Every mailbox of every Sender field, in order.
    pub sender: Vec<Address>,
    /// Whether the two lists tell the whole story.
    pub state: OriginatorState,
}

/// How well the originator fields could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OriginatorState {
    /// Every From and Sender field was read, and there is at least one From mailbox.
    Complete,
    /// No From field, or none with a mailbox.
    Missing,
    /// A From or Sender field has a part that is not a mailbox, or there are too many mailboxes.
    Unreadable,
}

/// Appends the mailboxes of one field to `found`, which may grow to `limit` mailboxes.
///
/// # Errors
/// [`Unreadable`]; `found` then holds the mailboxes before the bad part.
pub(super) fn read_mailboxes(
    value: &[u8],
    limit: usize,
    found: &mut Vec<Address>,
) -> Result<(), Unreadable> {
    let mut parser = Parser {
        lexer: Lexer::new(value),
        words: Words::default(),
        domain: Vec::new(),
    };
    let mut place = Place::List;
    loop {
        let (address, end) = parser.element(place)?;
        if let Some(address) = address {
            if found.len() >= limit {
                return Err(Unreadable);
            }
            found.push(address);
        }
        place = match end {
            ElementEnd::Comma => place,
            ElementEnd::GroupBegins => Place::Group,
            ElementEnd::GroupEnds => match parser.lexer.next()? {
                Token::Special(b',') => Place::List,
                Token::End => return Ok(()),
                _ => return Err(Unreadable),
            },
            ElementEnd::End => return Ok(()),
        };
    }
}

/// Where an element stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    List,
    Group,
}

/// What ended an element.
enum ElementEnd {
    Comma,
    GroupBegins,
    GroupEnds,
    End,
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    words: Words,
    domain: Vec<u8>,
}

impl Parser<'_> {
    /// One element of the list: a mailbox, nothing (RFC 5322 §4.4), or the display name of a group.
    fn element(&mut self, place: Place) -> Result<(Option<Address>, ElementEnd), Unreadable> {
        self.words.clear();
        loop {
            let token = self.lexer.next()?;
            if self.words.push(token) {
                continue;
            }
            return match token {
                Token::Special(b'@') => {
                    let (address, after) = self.addr_spec()?;
                    Ok((Some(address), element_end(after, place)?))
                }
                Token::Special(b'<') if self.words.is_empty_or_phrase() => {
                    let address = self.angle_addr()?;
                    let after = self.lexer.next()?;
                    Ok((Some(address), element_end(after, place)?))
                }
                Token::Special(b':') if place == Place::List && self.words.is_phrase() => {
                    Ok((None, ElementEnd::GroupBegins))
                }
                after if self.words.is_empty() => Ok((None, element_end(after, place)?)),
                _ => Err(Unreadable),
            };
        }
    }

    /// RFC 5322 §3.4.1, from after the `@`; also returns the token after the address.
    fn addr_spec(&mut self) -> Result<(Address, Token<'_>), Unreadable> {
        let content = self.words.local_part()?;
        let after = read_domain(&mut self.lexer, &mut self.domain)?;
        let domain = std::str::from_utf8(&self.domain).map_err(|_| Unreadable)?;
        let address = Address::from_parts(Cow::Borrowed(content), domain).ok_or(Unreadable)?;
        Ok((address, after))
    }

    /// RFC 5322 §3.4 and §4.4, from after the `<`: an address, after a route that is read through.
    fn angle_addr(&mut self) -> Result<Address, Unreadable> {
        self.words.clear();
        let mut token = self.lexer.next()?;
        if matches!(token, Token::Special(b'@' | b',')) {
            self.skip_route(token)?;
            token = self.lexer.next()?;
        }
        while self.words.push(token) {
            token = self.lexer.next()?;
        }
        if token != Token::Special(b'@') {
            return Err(Unreadable);
        }
        match self.addr_spec()? {
            (address, Token::Special(b'>')) => Ok(address),
            _ => Err(Unreadable),
        }
    }

    /// RFC 5322 §4.4: obs-route, through its colon.
    fn skip_route(&mut self, first: Token<'_>) -> Result<(), Unreadable> {
        let mut domains = 0_usize;
        let mut token = first;
        loop {
            token = match token {
                Token::Special(b',') => self.lexer.next()?,
                Token::Special(b'@') => {
                    domains += 1;
                    let after = read_domain(&mut self.lexer, &mut self.domain)?;
                    if !matches!(after, Token::Special(b',' | b':')) {
                        return Err(Unreadable);
                    }
                    after
                }
                Token::Special(b':') if domains > 0 => return Ok(()),
                _ => return Err(Unreadable),
            };
        }
    }
}

fn element_end(token: Token<'_>, place: Place) -> Result<ElementEnd, Unreadable> {
    match (token, place) {
        (Token::Special(b','), _) => Ok(ElementEnd::Comma),
        (Token::Special(b';'), Place::Group) => Ok(ElementEnd::GroupEnds),
        (Token::End, Place::List) => Ok(ElementEnd::End),
        _ => Err(Unreadable),
    }
}

/// Reads a domain into `domain` and returns the token after it. A trailing dot is let through.
fn read_domain<'a>(lexer: &mut Lexer<'a>, domain: &mut Vec<u8>) -> Result<Token<'a>, Unreadable> {
    domain.clear();
    match lexer.next()? {
        Token::Atom(atom) => domain.extend_from_slice(atom),
        Token::Literal(literal) => {
            domain.extend_from_slice(literal);
            return lexer.next();
        }
        _ => return Err(Unreadable),
    }
    loop {
        let token = lexer.next()?;
        if token != Token::Special(b'.') {
            return Ok(token);
        }
        domain.push(b'.');
        match lexer.next()? {
            Token::Atom(atom) => domain.extend_from_slice(atom),
            after => return Ok(after),
        }
    }
}

/// The words before an `@`, `<` or `:`: a local-part as long as dots and words alternate, a phrase
/// when it begins with a word (RFC 5322 §4.1: obs-phrase has dots).
#[derive(Default)]
struct Words {
    content: Vec<u8>,
    shape: Shape,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Shape {
    /// Nothing yet.
    #[default]
    Empty,
    /// word *("." word)
    LocalPart,
    /// The same with a dot at its end.
    Dotted,
    /// Begins with a word, cannot be a local-part.
    Phrase,
    /// Begins with a dot.
    Neither,
}

impl Words {
    fn clear(&mut self) {
        self.content.clear();
        self.shape = Shape::Empty;
    }

    /// Takes a word or a dot; false for any other token.
    fn push(&mut self, token: Token<'_>) -> bool {
        match token {
            Token::Special(b'.') => {
                self.shape = match self.shape {
                    Shape::LocalPart => Shape::Dotted,
                    Shape::Dotted | Shape::Phrase => Shape::Phrase,
                    Shape::Empty | Shape::Neither => Shape::Neither,
                };
                self.content.push(b'.');
            }
            Token::Atom(_) | Token::Quoted(_) => {
                self.shape = match self.shape {
                    Shape::Empty | Shape::Dotted => Shape::LocalPart,
                    Shape::LocalPart | Shape::Phrase => Shape::Phrase,
                    Shape::Neither => Shape::Neither,
                };
                self.push_word(token);
            }
            _ => return false,
        }
        true
    }

    fn push_word(&mut self, word: Token<'_>) {
        match word {
            Token::Atom(atom) => self.content.extend_from_slice(atom),
            Token::Quoted(quoted) => push_quoted(quoted, &mut self.content),
            _ => {}
        }
    }

    fn is_empty(&self) -> bool {
        self.shape == Shape::Empty
    }

    fn is_phrase(&self) -> bool {
        !matches!(self.shape, Shape::Empty | Shape::Neither)
    }

    fn is_empty_or_phrase(&self) -> bool {
        self.shape != Shape::Neither
    }

    /// The meaning of the words as a local-part (RFC 5322 §4.4: obs-local-part).
    fn local_part(&self) -> Result<&str, Unreadable> {
        if self.shape != Shape::LocalPart {
            return Err(Unreadable);
        }
        std::str::from_utf8(&self.content).map_err(|_| Unreadable)
    }
}

#[cfg(test)]
mod tests;
