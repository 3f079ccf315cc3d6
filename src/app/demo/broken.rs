//! Makes the requests of the start page's section "Break it", which the server rejects, each with the output
//! of `explain` for its token.

use local_clerk::{
    Endpoint, Fault, LocalClerk, MintError, SampleUser,
    mint::{Recipe, SigningKey, TokenKind, TokenSpec},
};
use rmcp::ServerHandler;
use serde_json::{Value, json};

use super::{DemoError, tokens::CLIENT_ID};
use crate::{
    app::{AppBuilder, authenticator},
    auth::{AuthError, Authenticator},
    clerk::SecretKeyProbe,
    clock::{Clock, SystemClock},
    config::Config,
    policy::{Requirement, ToolPolicy},
    public::{BrokenRequest, BrokenRequestCheck, sample_arguments},
    token::ResourceNames,
};

/// Makes broken requests. Its authenticator is not the server's, so an explanation changes nothing there.
#[derive(Debug)]
pub(super) struct BrokenRequests {
    authenticator: Authenticator,
    probe: SecretKeyProbe,
    resource: String,
    /// The scopes that every request needs.
    scopes: Vec<String>,
}

/// A tool that a policy protects.
struct ProtectedTool<'a> {
    name: &'a str,
    requirement: &'a Requirement,
    /// A call with sample arguments.
    call: Value,
}

impl BrokenRequests {
    pub(super) fn new(config: &Config) -> Result<Self, DemoError> {
        let (authenticator, probe) = authenticator(config)?;
        let mut scopes = config.required_scopes.clone();
        if scopes.is_empty() {
            scopes.push("profile".to_owned());
        }
        Ok(Self {
            authenticator,
            probe,
            resource: ResourceNames::new(&config.base_url).mcp().to_owned(),
            scopes,
        })
    }

    /// Makes every request except the one during an outage, which [`during_outage`](Self::during_outage)
    /// makes. Does not change the local Clerk.
    pub(super) async fn all<H: ServerHandler + Clone>(
        &self,
        clerk: &LocalClerk,
        app: &AppBuilder<'_, H>,
    ) -> Result<Vec<BrokenRequest>, DemoError> {
        let users = clerk.sample_users();
        let Some(user) = users.first() else {
            return Ok(Vec::new());
        };
        // `explain` does the same, for its first check.
        self.probe.run_once().await;
        let mut requests = Vec::new();
        for (name, about, recipe) in self.broken_tokens(clerk, user)? {
            let request = self.request(name, about.to_owned(), recipe.mint(), None);
            requests.push(request.await);
        }
        let policy = &app.options.policy;
        let needs_scope = |requirement: &Requirement| !requirement.scopes_to_request().is_empty();
        if let Some(tool) = ProtectedTool::find(policy, &app.server, needs_scope) {
            let missing = tool.requirement.scopes_to_request();
            let mut scopes = self.scopes.clone();
            scopes.retain(|scope| !missing.contains(scope));
            let about = format!(
                "The tool {} needs the scope {}, which this token lacks. The answer names it, so that the client can ask \
                 the user for it.",
                tool.name,
                missing.join(" ")
            );
            let token = self.token(clerk, user, &scopes)?.mint();
            let request = self.request("Missing scope", about, token, Some(tool));
            requests.push(request.await);
        }
        let former_member = users.iter().find(|user| user.organizations.is_empty());
        if let Some(tool) = ProtectedTool::find(policy, &app.server, Requirement::needs_organization)
            && let (Some(former_member), Some(organization)) = (former_member, user.organizations.first())
        {
            let scopes = [self.scopes.clone(), tool.requirement.scopes_to_request()].concat();
            // A token does not change when a membership ends, so this is what a former member holds.
            let recipe = self.token(clerk, former_member, &scopes)?;
            let recipe = recipe.claim("org_id", organization.id.as_str());
            let about = format!(
                "{} was in {} when this token was issued, and is no longer. An OAuth token contains no role: the server \
                 looks it up at Clerk, at most every 30 s. The tool is {}.",
                former_member.first_name, organization.name, tool.name
            );
            let request = self.request("Role removed", about, recipe.mint(), Some(tool));
            requests.push(request.await);
        }
        requests.push(BrokenRequest {
            name: OUTAGE,
            about: String::new(),
            token: String::new(),
            call: None,
            checks: Vec::new(),
            reason: "",
        });
        Ok(requests)
    }

    /// Makes the next lookup of an opaque token at the local Clerk fail, and returns a request with such a
    /// token. Later lookups succeed.
    pub(super) async fn during_outage(&self, clerk: &LocalClerk) -> Result<BrokenRequest, MintError> {
        let token = clerk.mint(&TokenSpec {
            kind: TokenKind::OpaqueOauthToken,
            client_id: Some(CLIENT_ID.to_owned()),
            scopes: Some(self.scopes.clone()),
            resource: Some(self.resource.clone()),
            ..TokenSpec::default()
        })?;
        let fault = Fault::Down.at(Endpoint::BackendVerifyAccessToken).times(ATTEMPTS);
        clerk.inject(fault.clone());
        let about = "This token is valid, but opaque: only Clerk can verify it. The local Clerk answered this lookup with \
                     503, and works again now. JWTs are accepted during an outage, because the server holds Clerk's keys.";
        let request = self.request(OUTAGE, about.to_owned(), token, None).await;
        clerk.inject(fault);
        Ok(request)
    }

    /// Returns tokens with one defect each, and what the defect means.
    fn broken_tokens(
        &self,
        clerk: &LocalClerk,
        user: &SampleUser,
    ) -> Result<[(&'static str, &'static str, Recipe); 6], MintError> {
        let valid = || self.token(clerk, user, &self.scopes);
        let foreign = SigningKey::generate(clerk.signing_key().kid());
        let retired = SigningKey::generate("ins_retired");
        Ok([
            (
                "Expired",
                "The token expired an hour before the demo started. A client that gets this answer refreshes its token.",
                valid()?.claim("exp", SystemClock.now().as_second() - 3600),
            ),
            (
                "Wrong audience",
                "The token was issued for another MCP server of the same Clerk application. If it were accepted, the \
                 other server could act here as the user.",
                valid()?.claim("aud", "https://other.example.com/mcp"),
            ),
            (
                "alg: none",
                "The token says that it needs no signature, and has none. Anyone can make such a token.",
                valid()?.header("alg", "none").unsigned(),
            ),
            (
                "Foreign key",
                "The token names Clerk's key, but another key signed it.",
                valid()?.signed_by(&foreign),
            ),
            (
                "Wrong issuer",
                "The token names another Clerk application as its issuer.",
                valid()?.claim("iss", "https://clerk.example.com"),
            ),
            (
                "Keys rotated",
                "Clerk no longer publishes the key that signed this token. For an unknown key ID the server fetches the \
                 keys again, so it accepts the tokens of a new key at once.",
                valid()?.header("kid", retired.kid()).signed_by(&retired),
            ),
        ])
    }

    fn token(&self, clerk: &LocalClerk, user: &SampleUser, scopes: &[String]) -> Result<Recipe, MintError> {
        let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
        Ok(clerk.oauth_token(&user.id, CLIENT_ID, &scopes, Some(&self.resource))?)
    }

    /// Returns a request with this token, and what `explain` shows about the token.
    async fn request(
        &self,
        name: &'static str,
        about: String,
        token: String,
        tool: Option<ProtectedTool<'_>>,
    ) -> BrokenRequest {
        let explanation = self.authenticator.explain(&token).await;
        let session = explanation.session.as_deref();
        let denied = tool.as_ref().zip(session).and_then(|(tool, session)| {
            let denied = tool.requirement.check(session).err();
            denied.map(AuthError::from)
        });
        let error = explanation.first_failure().cloned().or(denied);
        let checks = explanation.checks.iter().map(|result| BrokenRequestCheck {
            name: result.check.as_str(),
            outcome: result.outcome.as_str(),
            text: explanation.describe(result),
        });
        BrokenRequest {
            name,
            about,
            token,
            call: tool.map(|tool| tool.call),
            checks: checks.collect(),
            reason: error.map_or("none", |error| error.reason().as_str()),
        }
    }
}

impl<'a> ProtectedTool<'a> {
    /// Finds the first tool whose requirement fits.
    fn find(
        policy: &'a ToolPolicy,
        server: &impl ServerHandler,
        fits: impl Fn(&Requirement) -> bool,
    ) -> Option<Self> {
        policy.tools().find_map(|name| {
            let requirement = policy.of(name).filter(|requirement| fits(requirement))?;
            let arguments = sample_arguments(&server.get_tool(name)?.input_schema);
            Some(Self {
                name,
                requirement,
                call: json!({ "name": name, "arguments": arguments }),
            })
        })
    }
}

const OUTAGE: &str = "Clerk down";
/// The server tries each lookup three times.
const ATTEMPTS: u32 = 3;
