//! One order, from the account to the certificate (RFC 8555 §7).

use std::time::Duration;

use instant_acme::{
    Account, AccountBuilder, AuthorizationStatus, ChallengeType, Identifier, NewAccount, NewOrder,
    Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};

use super::files::Folder;
use super::{AcmeError, Challenges};
use crate::tls::Acme as Config;

/// How the state of an order is asked for: soon at first, then ever more rarely.
const POLLS: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(500))
    .backoff(1.5)
    .timeout(Duration::from_secs(120));

/// The authority and what is needed to talk to it.
pub struct Authority<'a> {
    pub config: &'a Config,
    pub folder: &'a Folder,
    pub challenges: &'a Challenges,
}

impl Authority<'_> {
    /// A new certificate for these names: the PEM text of its key and its chain.
    pub async fn obtain(&self, names: &[String]) -> Result<String, AcmeError> {
        let account = self.account().await?;
        let identifiers: Vec<Identifier> = names.iter().cloned().map(Identifier::Dns).collect();
        let order = account.new_order(&NewOrder::new(&identifiers)).await;
        let mut order = order.map_err(AcmeError::doing("accept the order"))?;
        self.answer_challenges(&mut order).await?;
        match order.poll_ready(&POLLS).await {
            Ok(OrderStatus::Ready) => finalize(&mut order, names).await,
            Ok(_) | Err(instant_acme::Error::Api(_)) => Err(why_invalid(&mut order).await),
            Err(error) => Err(AcmeError::doing("validate the names")(error)),
        }
    }

    /// The account that was kept, else a new one.
    async fn account(&self) -> Result<Account, AcmeError> {
        let doing = "accept the account";
        if let Some(kept) = self.folder.account()? {
            let account = self.builder()?.from_credentials(kept).await;
            return account.map_err(AcmeError::doing(doing));
        }
        let contact: Vec<String> = self.config.contact.iter().map(contact_url).collect();
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        let account = NewAccount {
            contact: &contact,
            terms_of_service_agreed: self.config.accept_terms,
            only_return_existing: false,
        };
        let url = self.config.directory_url.clone();
        let created = self.builder()?.create(&account, url, None).await;
        let (account, credentials) = created.map_err(AcmeError::doing(doing))?;
        self.folder.keep_account(&credentials)?;
        Ok(account)
    }

    fn builder(&self) -> Result<AccountBuilder, AcmeError> {
        let builder = match &self.config.ca_file {
            Some(root) => Account::builder_with_root(root),
            None => Account::builder(),
        };
        builder.map_err(AcmeError::doing("become reachable"))
    }

    /// Opens every challenge before the authority is told that it may look.
    async fn answer_challenges(&self, order: &mut Order) -> Result<(), AcmeError> {
        let mut authorizations = order.authorizations();
        while let Some(next) = authorizations.next().await {
            let mut authorization = next.map_err(AcmeError::doing("tell its challenges"))?;
            if authorization.status == AuthorizationStatus::Valid {
                continue;
            }
            let name = authorization.identifier().to_string();
            let Some(mut challenge) = authorization.challenge(ChallengeType::Http01) else {
                return Err(AcmeError::NoHttpChallenge { name });
            };
            let answer = challenge.key_authorization();
            self.challenges.open(&challenge.token, answer.as_str());
            let ready = challenge.set_ready().await;
            ready.map_err(AcmeError::doing("look at the challenge"))?;
        }
        Ok(())
    }
}

/// `mailto:` may be left out in the config.
fn contact_url(contact: &String) -> String {
    if contact.contains(':') {
        contact.clone()
    } else {
        format!("mailto:{contact}")
    }
}

/// What the authority says about the first name that it could not validate.
async fn why_invalid(order: &mut Order) -> AcmeError {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        if authorization.refresh().await.is_err() {
            break;
        }
        let mut problems = authorization
            .challenges
            .iter()
            .map(|one| one.error.as_ref());
        if let Some(problem) = problems.find_map(|problem| problem) {
            return AcmeError::Invalid {
                name: authorization.identifier().to_string(),
                reason: problem.to_string(),
            };
        }
    }
    AcmeError::Invalid {
        name: "a name".to_owned(),
        reason: "the order has become invalid".to_owned(),
    }
}

/// The key is a new one for every certificate (ECDSA, P-256).
async fn finalize(order: &mut Order, names: &[String]) -> Result<String, AcmeError> {
    let mut parameters = CertificateParams::new(names)?;
    parameters.distinguished_name = DistinguishedName::new();
    let key = KeyPair::generate()?;
    let request = parameters.serialize_request(&key)?;
    let finalized = order.finalize_csr(request.der()).await;
    finalized.map_err(AcmeError::doing("accept the certificate request"))?;
    let chain = order.poll_certificate(&POLLS).await;
    let chain = chain.map_err(AcmeError::doing("issue the certificate"))?;
    Ok(key.serialize_pem() + &chain)
}
