//! A tree of elements that is written with everything escaped.

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

/// An element, its attributes and what it holds.
#[derive(Clone, Debug)]
pub struct Element {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    content: Vec<Node>,
}

#[derive(Clone, Debug)]
enum Node {
    Element(Element),
    Text(String),
}

/// An empty element.
pub fn element(name: &'static str) -> Element {
    Element {
        name,
        attributes: Vec::new(),
        content: Vec::new(),
    }
}

/// An element that holds a text.
pub fn leaf(name: &'static str, text: impl AsRef<str>) -> Element {
    element(name).text(text)
}

impl Element {
    /// Adds an attribute.
    pub fn attribute(mut self, name: &'static str, value: impl AsRef<str>) -> Self {
        self.attributes.push((name, printable(value.as_ref())));
        self
    }

    /// Adds a text.
    pub fn text(mut self, text: impl AsRef<str>) -> Self {
        self.content.push(Node::Text(printable(text.as_ref())));
        self
    }

    /// Adds an element.
    pub fn child(mut self, child: Self) -> Self {
        self.content.push(Node::Element(child));
        self
    }

    /// Adds elements.
    pub fn children(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.content.extend(children.into_iter().map(Node::Element));
        self
    }

    /// The document with an XML declaration, and a document type if it has one.
    pub fn to_xml(&self, doctype: Option<&str>) -> String {
        self.render(Some(BytesDecl::new("1.0", Some("UTF-8"), None)), doctype)
    }

    /// The document as HTML.
    pub fn to_html(&self) -> String {
        self.render(None, Some("html"))
    }

    fn render(&self, declaration: Option<BytesDecl<'_>>, doctype: Option<&str>) -> String {
        let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
        let declared = declaration.into_iter().map(Event::Decl);
        let typed = doctype.map(|text| Event::DocType(BytesText::from_escaped(text)));
        for event in declared.chain(typed) {
            write(&mut writer, event);
        }
        self.write(&mut writer);
        let mut octets = writer.into_inner();
        octets.push(b'\n');
        String::from_utf8(octets).expect("the writer is given UTF-8 alone")
    }

    fn write(&self, writer: &mut Writer<Vec<u8>>) {
        let mut start = BytesStart::new(self.name);
        for (name, value) in &self.attributes {
            start.push_attribute((*name, value.as_str()));
        }
        if self.content.is_empty() {
            return write(writer, Event::Empty(start));
        }
        write(writer, Event::Start(start));
        for node in &self.content {
            match node {
                Node::Element(child) => child.write(writer),
                Node::Text(text) => write(writer, Event::Text(BytesText::new(text))),
            }
        }
        write(writer, Event::End(BytesEnd::new(self.name)));
    }
}

fn write(writer: &mut Writer<Vec<u8>>, event: Event<'_>) {
    writer.write_event(event).expect("memory can be written");
}

/// XML 1.0 §2.2 allows no control characters, not even escaped ones.
fn printable(text: &str) -> String {
    let is_allowed = |c: &char| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}');
    text.chars().filter(is_allowed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_put_in_comes_out_escaped() {
        let tree = element("a")
            .attribute("b", "\"'<&>\n")
            .child(leaf("c", "</c><script>&\0\x1b"));
        let text = tree.to_xml(None);
        assert!(text.contains("b=\"&quot;&apos;&lt;&amp;&gt;\""), "{text}");
        assert!(
            text.contains("<c>&lt;/c&gt;&lt;script&gt;&amp;</c>"),
            "{text}"
        );
    }
}
