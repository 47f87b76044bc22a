//! The frame of a component: what every policy says in the same words.

/// The bindings of a policy: `mod bindings`, generated from `wit/policy.wit` for the world of this name.
#[macro_export]
macro_rules! bindings {
    ($world:literal) => {
        #[allow(
            missing_docs,
            unsafe_code,
            dead_code,
            clippy::all,
            reason = "generated from wit/policy.wit, which documents every item"
        )]
        mod bindings {
            wit_bindgen::generate!({
                world: $world,
                path: "../../wit",
                additional_derives: [PartialEq],
            });
        }
    };
}

/// The component: a struct of this name with its lifecycle, and the exports.
///
/// It wants `mod bindings` (see [`bindings!`]) and a `mod settings` with `SCHEMA`, the JSON Schema of the settings,
/// and `problems`, which says what is wrong with a document of them. The stages are left to the policy.
#[macro_export]
macro_rules! component {
    ($component:ident: $summary:literal) => {
        /// The component.
        struct $component;

        impl bindings::exports::gatepost::policy::lifecycle::Guest for $component {
            fn describe() -> bindings::exports::gatepost::policy::lifecycle::Descriptor {
                bindings::exports::gatepost::policy::lifecycle::Descriptor {
                    name: env!("CARGO_PKG_NAME").to_owned(),
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                    summary: $summary.to_owned(),
                    settings_schema: settings::SCHEMA.to_owned(),
                }
            }

            fn validate_settings(
                document: String,
            ) -> Vec<bindings::exports::gatepost::policy::lifecycle::Problem> {
                let problems = settings::problems(&document).into_iter();
                let problem = |problem: $crate::settings::Problem| {
                    bindings::exports::gatepost::policy::lifecycle::Problem {
                        path: problem.path,
                        message: problem.message,
                    }
                };
                problems.map(problem).collect()
            }
        }

        /// The exported functions; outside WebAssembly there is nobody to export them to.
        #[cfg(target_arch = "wasm32")]
        #[expect(unsafe_code, reason = "generated: exports with fixed names")]
        mod exports {
            use super::{$component, bindings};

            bindings::export!($component with_types_in bindings);
        }
    };
}
