//! The interface grows and never changes: whatever stands in a frozen copy of `wit/policy.wit` stands in it today,
//! as it was. What is new is beside it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wit_parser::{
    Function, InterfaceId, Resolve, Type, TypeDefKind, TypeOwner, WorldItem, WorldKey,
};

/// What an interface file says, piece by piece: its name, and its shape in words.
type Pieces = BTreeMap<String, String>;

fn root() -> PathBuf {
    gatepost_tests::guests::root()
}

/// The frozen copies, one for each version whose guests every later host runs.
fn frozen() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join("tests/guests/frozen")).expect("frozen guests");
    let folders = entries.map(|entry| entry.expect("an entry").path());
    let folders = folders.filter(|folder| folder.is_dir());
    folders.map(|folder| folder.join("policy.wit")).collect()
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

#[test]
fn nothing_of_a_frozen_interface_is_removed_or_changed() {
    let today = pieces(&read(&root().join("wit/policy.wit")));
    let frozen = frozen();
    assert!(!frozen.is_empty());
    for file in frozen {
        let problems = changes(&pieces(&read(&file)), &today);
        assert!(
            problems.is_empty(),
            "{}:\n{}",
            file.display(),
            problems.join("\n")
        );
    }
}

const EXAMPLE: &str = "package a:b@0.1.0;
    interface types { record r { a: u8, b: option<string> } enum e { x, y } }
    interface log { use types.{r}; write: func(what: r) -> result<u8, string>; }
    world w { import log; export types; }";

#[test]
fn additions_are_no_changes() {
    let more = EXAMPLE
        .replace(
            "interface log {",
            "interface more { f: func(); } interface log { erase: func();",
        )
        .replace(
            "world w { import log;",
            "world w2 { export more; } world w { import log; import more;",
        );
    assert_eq!(
        changes(&pieces(EXAMPLE), &pieces(&more)),
        Vec::<String>::new()
    );
}

#[test]
fn every_other_change_is_told() {
    let cases = [
        (
            "a: u8, b: option<string>",
            "a: u8, b: option<string>, c: u8",
            "types/r",
        ),
        (
            "a: u8, b: option<string>",
            "b: option<string>, a: u8",
            "types/r",
        ),
        ("a: u8, b: option<string>", "a: u8", "types/r"),
        ("b: option<string>", "b: string", "types/r"),
        ("a: u8", "a: u16", "types/r"),
        ("{ x, y }", "{ x, y, z }", "types/e"),
        ("{ x, y }", "{ y, x }", "types/e"),
        ("write:", "print:", "log.write"),
        ("what: r", "which: r", "log.write"),
        ("result<u8, string>", "result<u8>", "log.write"),
        ("import log; export", "export", "world w import log"),
        ("export types;", "", "world w exports"),
        (
            "export types;",
            "export types; export log;",
            "world w exports",
        ),
        ("interface log", "interface logs", "log.write"),
    ];
    for (old, new, place) in cases {
        let changed = EXAMPLE.replace(old, new).replace(
            "import log;",
            match new {
                "interface logs" => "import logs;",
                _ => "import log;",
            },
        );
        assert_ne!(changed, EXAMPLE);
        let problems = changes(&pieces(EXAMPLE), &pieces(&changed));
        assert!(
            problems.iter().any(|told| told.starts_with(place)),
            "{new}: {problems:?}"
        );
    }
}

/// What of `old` is missing in `new` or otherwise.
fn changes(old: &Pieces, new: &Pieces) -> Vec<String> {
    let changed = old
        .iter()
        .filter(|(name, shape)| new.get(*name) != Some(shape));
    changed
        .map(|(name, shape)| match new.get(name) {
            None => format!("{name} is gone; it was {shape}"),
            Some(today) => format!("{name} was {shape}\n  and is {today}"),
        })
        .collect()
}

fn pieces(text: &str) -> Pieces {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("policy.wit", text).expect("WIT");
    let package = &resolve.packages[package];
    let mut pieces = Pieces::from([("package".to_owned(), package.name.name.clone())]);
    for (name, id) in &package.interfaces {
        interface(&resolve, name, *id, &mut pieces);
    }
    for (name, id) in &package.worlds {
        let world = &resolve.worlds[*id];
        for item in world.imports.iter().map(|item| world_item(&resolve, item)) {
            pieces.insert(format!("world {name} import {item}"), item);
        }
        // A guest that was made for the world would lack another export.
        let mut exports: Vec<_> = world
            .exports
            .iter()
            .map(|item| world_item(&resolve, item))
            .collect();
        exports.sort();
        pieces.insert(format!("world {name} exports"), exports.join(", "));
    }
    pieces
}

fn interface(resolve: &Resolve, name: &str, id: InterfaceId, pieces: &mut Pieces) {
    let interface = &resolve.interfaces[id];
    for (type_name, id) in &interface.types {
        let shape = kind(resolve, &resolve.types[*id].kind);
        pieces.insert(format!("{name}/{type_name}"), shape);
    }
    for (function_name, function) in &interface.functions {
        pieces.insert(
            format!("{name}.{function_name}"),
            signature(resolve, function),
        );
    }
}

fn world_item(resolve: &Resolve, (key, item): (&WorldKey, &WorldItem)) -> String {
    match (key, item) {
        (WorldKey::Interface(id), _) => interface_name(resolve, *id).to_owned(),
        (WorldKey::Name(name), WorldItem::Function(function)) => {
            format!("{name}: {}", signature(resolve, function))
        }
        (WorldKey::Name(name), _) => name.clone(),
    }
}

fn interface_name(resolve: &Resolve, id: InterfaceId) -> &str {
    resolve.interfaces[id].name.as_deref().unwrap_or("unnamed")
}

fn signature(resolve: &Resolve, function: &Function) -> String {
    let parameter = |(name, ty): (&str, &Type)| format!("{name}: {}", shown(resolve, ty));
    let parameters = function
        .params
        .iter()
        .map(|one| parameter((&one.name, &one.ty)));
    let parameters = parameters.collect::<Vec<_>>().join(", ");
    format!(
        "func({parameters}) -> {}",
        optional(resolve, function.result.as_ref())
    )
}

fn optional(resolve: &Resolve, ty: Option<&Type>) -> String {
    ty.map_or_else(|| "_".to_owned(), |ty| shown(resolve, ty))
}

/// A type where it is used: by its name, if it has one.
fn shown(resolve: &Resolve, ty: &Type) -> String {
    let Type::Id(id) = ty else {
        return format!("{ty:?}").to_lowercase();
    };
    let definition = &resolve.types[*id];
    match (&definition.name, definition.owner) {
        (Some(name), TypeOwner::Interface(owner)) => {
            format!("{}/{name}", interface_name(resolve, owner))
        }
        _ => kind(resolve, &definition.kind),
    }
}

/// A type where it is defined. The kinds that the interface does not use are told by their debug form.
fn kind(resolve: &Resolve, kind: &TypeDefKind) -> String {
    let ty = |ty: &Type| shown(resolve, ty);
    let joined = |parts: Vec<String>| parts.join(", ");
    match kind {
        TypeDefKind::Record(record) => {
            let field = |field: &wit_parser::Field| format!("{}: {}", field.name, ty(&field.ty));
            format!(
                "record {{ {} }}",
                joined(record.fields.iter().map(field).collect())
            )
        }
        TypeDefKind::Variant(variant) => {
            let case = |case: &wit_parser::Case| {
                format!("{}({})", case.name, optional(resolve, case.ty.as_ref()))
            };
            format!(
                "variant {{ {} }}",
                joined(variant.cases.iter().map(case).collect())
            )
        }
        TypeDefKind::Enum(cases) => {
            let names = cases.cases.iter().map(|case| case.name.clone());
            format!("enum {{ {} }}", joined(names.collect()))
        }
        TypeDefKind::Option(some) => format!("option<{}>", ty(some)),
        TypeDefKind::List(element) => format!("list<{}>", ty(element)),
        TypeDefKind::Result(result) => {
            let (ok, err) = (result.ok.as_ref(), result.err.as_ref());
            format!(
                "result<{}, {}>",
                optional(resolve, ok),
                optional(resolve, err)
            )
        }
        TypeDefKind::Tuple(tuple) => {
            format!("tuple<{}>", joined(tuple.types.iter().map(ty).collect()))
        }
        TypeDefKind::Type(alias) => ty(alias),
        other => format!("{other:?}"),
    }
}
