//! Policies written by hand in WebAssembly's text form: what no compiler would make.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::guests;

/// A core module that passes every message, with something else in it where a test says so.
///
/// The octets from 1024 on are zero: read as a verdict they are `pass`, as a descriptor empty texts,
/// as a list no problem. The host's values are put above 64 KiB.
#[derive(Clone, Debug)]
pub struct Crafted<'a> {
    /// Pages of 64 KiB that its memory has from the start, at least 2.
    pub pages: u32,
    /// More fields of the module: functions, tables, data, a start section.
    pub fields: &'a str,
    /// What `evaluate` does before it returns, as instructions.
    pub evaluate: &'a str,
    /// What `cabi_realloc` does before it gives space away, as instructions.
    pub realloc: &'a str,
    /// Where the verdict is, as an instruction.
    pub verdict: &'a str,
}

impl Default for Crafted<'_> {
    fn default() -> Self {
        Self {
            pages: 16,
            fields: "",
            evaluate: "",
            realloc: "",
            verdict: "i32.const 1024",
        }
    }
}

/// What never ends.
pub const ENDLESS: &str = "(loop $endless (br $endless))";

/// Instructions of `evaluate` that are run for a message of the highest effective priority alone.
pub fn when_urgent(instructions: &str) -> String {
    // The last field of a request; the ones before it take 208 octets.
    format!("(if (i32.eqz (i32.load8_u offset=208 (local.get 0))) (then {instructions}))")
}

impl Crafted<'_> {
    /// The policy as a component.
    ///
    /// # Panics
    /// When the text is not WebAssembly, which is the test's mistake.
    pub fn component(&self) -> Vec<u8> {
        let mut module = wat::parse_str(self.text()).expect("WebAssembly text");
        let mut resolve = Resolve::default();
        let (package, _) = resolve
            .push_dir(guests::root().join("wit"))
            .expect("the interface");
        let world = resolve
            .select_world(&[package], Some("message-policy"))
            .expect("a world of the interface");
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
            .expect("a module takes a section");
        ComponentEncoder::default()
            .validate(true)
            .module(&module)
            .and_then(|encoder| encoder.encode())
            .unwrap_or_else(|error| panic!("not a policy: {error:#}"))
    }

    fn text(&self) -> String {
        let Self {
            pages,
            fields,
            evaluate,
            realloc,
            verdict,
        } = self;
        format!(
            r#"(module
                (memory (export "memory") {pages})
                (global $free (mut i32) (i32.const 65536))
                (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                    (local $place i32)
                    {realloc}
                    (local.set $place (i32.and
                        (i32.add (global.get $free) (i32.sub (local.get 2) (i32.const 1)))
                        (i32.sub (i32.const 0) (local.get 2))))
                    (global.set $free (i32.add (local.get $place) (local.get 3)))
                    (local.get $place))
                (func (export "gatepost:policy/lifecycle@0.1.0#describe") (result i32)
                    i32.const 1024)
                (func (export "gatepost:policy/lifecycle@0.1.0#validate-settings")
                    (param i32 i32) (result i32)
                    i32.const 1024)
                (func (export "gatepost:policy/message-stage@0.1.0#evaluate")
                    (param i32) (result i32)
                    {evaluate}
                    {verdict})
                {fields})"#
        )
    }
}

/// A component as its text says.
///
/// # Panics
/// When the text is none, which is the test's mistake.
pub fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the text of a component")
}

/// A component whose code takes `functions` thousand octets, all of it to be compiled and none of it
/// ever to be run.
pub fn laborious(functions: usize) -> Vec<u8> {
    let body = "(local.set 1 (i32.add (i32.mul (local.get 0) (local.get 1)) (i32.const 7)))";
    let function = format!(
        "(func (param i32) (result i32) (local i32) {} local.get 1)",
        body.repeat(100)
    );
    let fields = function.repeat(functions);
    Crafted {
        fields: &fields,
        ..Crafted::default()
    }
    .component()
}
