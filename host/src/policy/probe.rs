//! Looks at a component without running it: what the file is, and which stages it exports.

use wasmtime::Engine;
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, ComponentExportIndex, ComponentNamedList, Lift, Lower};

use super::bindings::exports::gatepost::policy::lifecycle::{Descriptor, Problem};
use super::bindings::{EnvelopeRequest, MessageRequest, Needs};
use super::load_error::{FileKind, LoadProblem};
use super::module::EnvelopeStage;
use super::types::{Address, Verdict};

const LIFECYCLE: &str = "gatepost:policy/lifecycle@0.1.0";
const MESSAGE_STAGE: &str = "gatepost:policy/message-stage@0.1.0";
const ENVELOPE_STAGE: &str = "gatepost:policy/envelope-stage@0.1.0";
const NEEDS: &str = "gatepost:policy/needs@0.1.0";

/// The functions of a component, found and of the right type.
pub(super) struct Stages {
    pub describe: ComponentExportIndex,
    pub validate_settings: ComponentExportIndex,
    pub evaluate: ComponentExportIndex,
    pub envelope: Option<EnvelopeStage>,
    pub describe_needs: Option<ComponentExportIndex>,
}

impl Stages {
    /// The names of the stages, in the order a transaction meets them.
    pub fn names(&self) -> Vec<&'static str> {
        let envelope = self.envelope.is_some().then_some("envelope-stage");
        envelope.into_iter().chain(["message-stage"]).collect()
    }
}

/// Tells a component from what is often handed in instead of one.
pub(super) fn format(bytes: &[u8]) -> Result<(), LoadProblem> {
    // The binary format: magic, then a version of 16 bits, then a layer of 16 bits.
    let kind = match bytes {
        [] => FileKind::Empty,
        [b'\0', b'a', b's', b'm', _, _, 1, 0, ..] => return Ok(()),
        [b'\0', b'a', b's', b'm', _, _, 0, 0, ..] => FileKind::CoreModule,
        _ if Engine::detect_precompiled(bytes).is_some() => FileKind::Precompiled,
        [b'\x7f', b'E', b'L', b'F', ..] => FileKind::Precompiled,
        _ if bytes.trim_ascii_start().starts_with(b"(") => FileKind::Text,
        _ => FileKind::Unknown,
    };
    Err(LoadProblem::NotAComponent(kind))
}

/// Finds the functions of the stages and holds their types against the interface's.
pub(super) fn stages(component: &Component) -> Result<Stages, LoadProblem> {
    type Answer = (Result<Verdict, String>,);

    let lifecycle = Interface::of(component, LIFECYCLE)?;
    let message = Interface::of(component, MESSAGE_STAGE)?;
    let envelope = match Interface::of(component, ENVELOPE_STAGE) {
        Err(_) => None,
        Ok(stage) => Some(EnvelopeStage {
            on_sender: stage.function::<(EnvelopeRequest, Option<Address>), Answer>("on-sender")?,
            on_recipient: stage.function::<(EnvelopeRequest, Address), Answer>("on-recipient")?,
        }),
    };
    let describe_needs = Interface::of(component, NEEDS)
        .ok()
        .map(|needs| needs.function::<(&str,), (Needs,)>("describe-needs"))
        .transpose()?;
    Ok(Stages {
        describe: lifecycle.function::<(), (Descriptor,)>("describe")?,
        validate_settings: lifecycle.function::<(&str,), (Vec<Problem>,)>("validate-settings")?,
        evaluate: message.function::<(MessageRequest,), Answer>("evaluate")?,
        envelope,
        describe_needs,
    })
}

/// An interface that a component exports.
struct Interface<'a> {
    component: &'a Component,
    name: &'static str,
    index: ComponentExportIndex,
}

impl<'a> Interface<'a> {
    fn of(component: &'a Component, name: &'static str) -> Result<Self, LoadProblem> {
        let index = component
            .get_export_index(None, name)
            .ok_or_else(|| LoadProblem::MissingExport(name.to_owned()))?;
        Ok(Self {
            component,
            name,
            index,
        })
    }

    fn function<P, R>(&self, name: &str) -> Result<ComponentExportIndex, LoadProblem>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift,
    {
        let missing = || LoadProblem::MissingExport(format!("{}#{name}", self.name));
        let export = self.component.get_export(Some(&self.index), name);
        let (item, index) = export.ok_or_else(missing)?;
        let ComponentItem::ComponentFunc(function) = item else {
            return Err(missing());
        };
        self.check::<P, R>(name, &function)?;
        Ok(index)
    }

    fn check<P, R>(&self, name: &str, function: &ComponentFunc) -> Result<(), LoadProblem>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift,
    {
        let types = self.component.component_type();
        function
            .typecheck::<P, R>(&types.instance_type())
            .map_err(|error| LoadProblem::WrongShape(format!("{}#{name}: {error:#}", self.name)))
    }
}
