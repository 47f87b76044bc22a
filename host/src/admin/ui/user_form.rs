//! What stands in the form of a user, as it was kept or as it was sent.

use super::fields::Fields;
use crate::accounts::{Allowance, Limit, PolicySettings, User};
use crate::admin::service::{Invalid, SentCounts, ServiceError, UserSettings};
use crate::intake::LimitsConfig;
use crate::queue::Priority;

/// The fields.
#[derive(Clone, Debug)]
pub struct Form {
    pub active: bool,
    pub priority: String,
    pub note: String,
    pub authorized_domains: String,
    pub authorized_senders: String,
    pub policy_settings: String,
    pub limits: [String; 4],
}

/// The names of the limits' fields, in their order.
const LIMITS: [&str; 4] = [
    "messages_per_hour",
    "messages_per_day",
    "urgent_per_hour",
    "urgent_per_day",
];

/// One limit in the form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitRow {
    pub field: &'static str,
    pub label: &'static str,
    /// What holds where nothing is said.
    pub default: String,
    /// Messages that count against it; none while the user is being added.
    pub sent: Option<u32>,
}

/// What is known of the limits beside the form.
pub fn limit_rows(config: &LimitsConfig, sent: Option<&SentCounts>) -> Vec<LimitRow> {
    let row = |place: usize, label, default: Limit, sent: Option<u32>| LimitRow {
        field: LIMITS[place],
        label,
        default: default.to_string(),
        sent,
    };
    vec![
        row(
            0,
            "Messages an hour",
            config.messages_per_hour,
            sent.map(|one| one.hour),
        ),
        row(
            1,
            "Messages a day",
            config.messages_per_day,
            sent.map(|one| one.day),
        ),
        row(
            2,
            "Priority 1 an hour",
            config.urgent_per_hour,
            sent.map(|one| one.urgent_hour),
        ),
        row(
            3,
            "Priority 1 a day",
            config.urgent_per_day,
            sent.map(|one| one.urgent_day),
        ),
    ]
}

impl Default for Form {
    fn default() -> Self {
        Self {
            active: true,
            priority: Priority::Normal.to_string(),
            note: String::new(),
            authorized_domains: String::new(),
            authorized_senders: String::new(),
            policy_settings: String::new(),
            limits: Default::default(),
        }
    }
}

impl Form {
    /// As it is kept.
    pub fn of(user: &User) -> Self {
        let own = [
            user.messages_per_hour,
            user.messages_per_day,
            user.urgent_per_hour,
            user.urgent_per_day,
        ];
        Self {
            active: user.active,
            priority: user.priority.to_string(),
            note: user.note.clone(),
            authorized_domains: user.authorized_domains.clone(),
            authorized_senders: user.authorized_senders.clone(),
            policy_settings: user.policy_settings.lines(),
            limits: own.map(|one| match one {
                Allowance::Default => String::new(),
                Allowance::Own(limit) => limit.to_string(),
            }),
        }
    }

    /// As it was sent.
    pub fn sent(fields: &Fields) -> Self {
        Self {
            active: fields.is_checked("active"),
            priority: fields.text("priority").to_owned(),
            note: fields.text("note").to_owned(),
            authorized_domains: fields.text("authorized_domains").to_owned(),
            authorized_senders: fields.text("authorized_senders").to_owned(),
            policy_settings: fields.raw("policy_settings").to_owned(),
            limits: LIMITS.map(|field| fields.text(field).to_owned()),
        }
    }

    /// What it says, with every problem at once.
    pub fn settings(&self) -> Result<UserSettings, ServiceError> {
        let mut invalid = Invalid::default();
        let priority = self.priority.parse().unwrap_or_else(|_| {
            invalid.add("priority", "choose one of the five");
            Priority::Normal
        });
        let policy_settings = PolicySettings::from_lines(&self.policy_settings);
        let policy_settings = policy_settings.unwrap_or_else(|error| {
            invalid.add("policy_settings", error.to_string());
            PolicySettings::default()
        });
        let [hour, day, urgent_hour, urgent_day] =
            std::array::from_fn(|place| self.allowance(place, &mut invalid));
        let settings = UserSettings {
            active: self.active,
            priority,
            note: self.note.clone(),
            authorized_domains: self.authorized_domains.clone(),
            authorized_senders: self.authorized_senders.clone(),
            policy_settings,
            messages_per_hour: hour,
            messages_per_day: day,
            urgent_per_hour: urgent_hour,
            urgent_per_day: urgent_day,
        };
        if let Err(ServiceError::Invalid(more)) = settings.check() {
            for problem in more.problems() {
                invalid.add(problem.field, problem.message.clone());
            }
        }
        invalid.into_result().map(|()| settings)
    }

    fn allowance(&self, place: usize, invalid: &mut Invalid) -> Allowance {
        match self.limits[place].as_str() {
            "" => Allowance::Default,
            text => text.parse().unwrap_or_else(|_| {
                let message =
                    "use a number, `unlimited`, or leave it empty for what the configuration says";
                invalid.add(LIMITS[place], message);
                Allowance::Default
            }),
        }
    }

    /// What stands in the field of a limit.
    pub fn limit(&self, field: &str) -> &str {
        let place = LIMITS.iter().position(|known| *known == field);
        place.map_or("", |place| &self.limits[place])
    }

    /// Whether what is usually hidden should be seen.
    pub fn is_special(&self, invalid: &Invalid) -> bool {
        let is_wrong = |field: &&str| !invalid.of(field).is_empty();
        self.limits.iter().any(|text| !text.is_empty())
            || !self.policy_settings.is_empty()
            || LIMITS.iter().any(is_wrong)
            || is_wrong(&"policy_settings")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_told_at_once() {
        let form = Form {
            priority: "6".to_owned(),
            authorized_domains: "a,b".to_owned(),
            policy_settings: "x".to_owned(),
            limits: ["0", "", "many", "unlimited"].map(str::to_owned),
            ..Form::default()
        };
        let Err(ServiceError::Invalid(invalid)) = form.settings() else {
            panic!("it is invalid");
        };
        let fields: Vec<_> = invalid.problems().iter().map(|one| one.field).collect();
        let expected = [
            "priority",
            "policy_settings",
            "messages_per_hour",
            "urgent_per_hour",
            "authorized_domains",
        ];
        assert_eq!(fields, expected);
        assert!(form.is_special(&invalid));
    }

    #[test]
    fn an_empty_limit_is_the_configurations() {
        let form = Form {
            limits: ["10", "", "unlimited", "default"].map(str::to_owned),
            ..Form::default()
        };
        let settings = form.settings().expect("it is valid");
        assert_eq!(
            settings.messages_per_hour,
            Allowance::Own(Limit::at_most(10))
        );
        assert_eq!(settings.messages_per_day, Allowance::Default);
        assert_eq!(settings.urgent_per_hour, Allowance::Own(Limit::UNLIMITED));
        assert_eq!(settings.urgent_per_day, Allowance::Default);
    }
}
