//! Results to report about: every outcome, a baseline, and a target that means harm.

use clerk_mcp_conformance::{
    case::Level,
    results::{CaseResult, Exchange, Finding, Outcome, Reach, Results, Section, StaleEntry, Suite, Target},
    spec::Reference,
};

/// What a target may send to whoever reads a report: for terminals, for HTML and XML, for Markdown, for SARIF, and to
/// turn the direction of writing.
pub(crate) const HOSTILE: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\0\u{8}\rX\u{7f}\u{85}\u{2028}\u{202e}\u{feff}\u{ffff}\
    </pre></code></details><script>alert(1)</script>\"'><img src=x onerror=alert(1)> ]]> <!-- &lt;&#60; \
    ``` ` ~~~ | **bold** [link](javascript:alert(1)) ![image](https://evil.example/x.png) <https://evil.example> \
    www.evil.example @everyone {0} $x$";

/// A case that passed; the methods make it another.
pub(crate) fn case(id: &str, requirement: &str) -> CaseResult {
    let key = id.split('.').next().unwrap();
    let (number, _, title) = SECTIONS.into_iter().find(|(_, one, _)| *one == key).unwrap();
    CaseResult {
        id: id.to_owned(),
        section: Section {
            number,
            key: key.to_owned(),
            title: title.to_owned(),
        },
        requirement: requirement.to_owned(),
        level: Level::Must,
        references: vec![Reference::find("rfc6750#3.1").unwrap()],
        why: "Without it, a client cannot tell what to do next.".to_owned(),
        outcome: Outcome::Pass,
        reason: None,
        findings: Vec::new(),
        exchange: None,
        known: None,
        rerun: format!(
            "clerk-mcp-conformance run --profile clerk-mcp --command 'cargo run -- serve' --only {id}"
        ),
    }
}

const SECTIONS: [(u8, &str, &str); 4] = [
    (2, "challenges", "Challenges"),
    (6, "claims", "Registered claims"),
    (7, "audience", "Audience, issuer, authorized party"),
    (10, "machine", "Opaque and machine tokens"),
];

/// What can become of a case.
pub(crate) trait Become: Sized {
    /// Not met, which is a warning for what should be.
    fn failed(self, findings: &[(usize, &str, &str)]) -> Self;
    /// With the exchange of a step.
    fn exchanged(self, step: usize, request: &str, response: &str) -> Self;
    /// Not tried, or nothing to try.
    fn because(self, outcome: Outcome, reason: &str) -> Self;
    /// Only a recommendation.
    fn recommended(self) -> Self;
    /// Known by the baseline.
    fn known(self, reason: &str) -> Self;
}

impl Become for CaseResult {
    fn failed(mut self, findings: &[(usize, &str, &str)]) -> Self {
        self.outcome = match self.level {
            Level::Must => Outcome::Fail,
            Level::Should => Outcome::Warn,
        };
        self.findings = findings
            .iter()
            .map(|(step, expected, actual)| Finding {
                step: *step,
                expected: (*expected).to_owned(),
                actual: (*actual).to_owned(),
            })
            .collect();
        self
    }

    fn exchanged(mut self, step: usize, request: &str, response: &str) -> Self {
        self.exchange = Some(Exchange {
            step,
            request: request.to_owned(),
            response: response.to_owned(),
        });
        self
    }

    fn because(mut self, outcome: Outcome, reason: &str) -> Self {
        self.outcome = outcome;
        self.reason = Some(reason.to_owned());
        self
    }

    fn recommended(mut self) -> Self {
        self.level = Level::Should;
        self
    }

    fn known(mut self, reason: &str) -> Self {
        self.known = Some(reason.to_owned());
        self
    }
}

/// These cases, of a suite of 150.
pub(crate) fn of(cases: Vec<CaseResult>) -> Results {
    Results {
        good_token_refused: None,
        suite: Suite {
            name: "clerk-mcp-conformance".to_owned(),
            version: "0.1.0".to_owned(),
            cases: 150,
        },
        target: Target {
            profile: "clerk-mcp".to_owned(),
            address: "cargo run -- serve".to_owned(),
            reach: Reach::Everything,
        },
        cases,
        baseline: Vec::new(),
    }
}

/// One of everything.
pub(crate) fn results() -> Results {
    const REQUEST: &str = "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:3001\r\nAuthorization: Bearer <session_token of ada, \
        exp -1h>\r\nContent-Type: application/json\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\"}";
    let mut expired = case("claims.expired", "A token past its exp is refused.")
        .failed(&[
            (1, "status 401", "status 200"),
            (
                2,
                "a Bearer challenge with error=\"invalid_token\", and status 401 or 403",
                "no WWW-Authenticate header",
            ),
        ])
        .exchanged(
            2,
            REQUEST,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\n  \"jsonrpc\": \"2.0\",\n  \"id\": 1,\n  \"result\": {}\n}",
        );
    expired
        .references
        .insert(0, Reference::find("rfc7519#4.1.4").unwrap());
    expired
        .references
        .push(Reference::find("clerk-mcp#refusals").unwrap());
    let long = format!(
        "HTTP/1.1 500 Internal Server Error\r\n\r\n{}{}",
        "line after line\n".repeat(300),
        "x".repeat(30_000)
    );
    let mut results = of(vec![
        case(
            "challenges.no-token",
            "A request without a token is answered 401 with a Bearer challenge.",
        ),
        case(
            "challenges.scope",
            "The challenge of a request without a token names the scopes to ask for.",
        )
        .recommended()
        .failed(&[(1, "scope=\"profile email\"", "no scope")]),
        case(
            "claims.audience",
            "An aud that is not a text or a list is refused.",
        )
        .failed(&[(1, "status 401", "status 500")])
        .exchanged(1, REQUEST, &long),
        expired,
        case("claims.hostile", "A claim that holds markup is not written back.")
            .failed(&[(1, "status 401", HOSTILE)])
            .exchanged(
                1,
                REQUEST,
                &format!("HTTP/1.1 200 OK\r\nX-Note: {HOSTILE}\r\n\r\n{HOSTILE}\n```\n{HOSTILE}"),
            ),
        case("claims.not-before", "A token before its nbf is refused."),
        case(
            "audience.another-server",
            "An OAuth token for another server is refused.",
        )
        .failed(&[(1, "status 401", "status 200")])
        .known("Our clients cannot send `resource` yet: <b>ISSUE-12</b>."),
        case("audience.issuer", "A token of another issuer is refused.").because(
            Outcome::NotTestable,
            "a refusal proves nothing: the same request with the undamaged token was answered 500",
        ),
        case("audience.party", "A token of another party is refused.").because(
            Outcome::NotTestable,
            "a refusal proves nothing: the same request with the undamaged token was answered 500",
        ),
        case(
            "machine.api-key",
            "An API key that Clerk knows is taken for its subject.",
        )
        .because(Outcome::NotApplicable, "the profile does not accept api_key"),
        case(
            "machine.m2m",
            "A machine token that Clerk knows is taken for its machine.",
        )
        .because(Outcome::NotApplicable, "the profile does not accept m2m_token"),
        case(
            "machine.revoked-api-key",
            "An API key that was revoked is refused.",
        )
        .because(Outcome::NotApplicable, "the profile does not accept api_key"),
    ]);
    results.baseline = vec![
        StaleEntry {
            case: "claims.not-before".to_owned(),
            problem: "passes now: remove the entry".to_owned(),
        },
        StaleEntry {
            case: "claims.none-such".to_owned(),
            problem: "names no case: correct or remove the entry".to_owned(),
        },
    ];
    results
}
