//! Sample results with every outcome, errors in the baseline, and text from a hostile target.

use clerk_mcp_conformance::{
    case::Level,
    results::{CaseResult, Exchange, Finding, Outcome, Reach, Results, Section, StaleEntry, Suite, Target},
    spec::Reference,
};

/// Text that attacks readers of a report: terminal escape sequences, HTML, XML, Markdown, SARIF placeholders,
/// and marks that change the writing direction.
pub(crate) const HOSTILE: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\0\u{8}\rX\u{7f}\u{85}\u{2028}\u{202e}\u{feff}\u{ffff}\
    </pre></code></details><script>alert(1)</script>\"'><img src=x onerror=alert(1)> ]]> <!-- &lt;&#60; \
    ``` ` ~~~ | **bold** [link](javascript:alert(1)) ![image](https://evil.example/x.png) <https://evil.example> \
    www.evil.example @everyone {0} $x$";

/// Returns the result of a case that passed. The methods of [`CaseResultExt`] change it.
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
        why: "Otherwise a client does not know what to do next.".to_owned(),
        outcome: Outcome::Pass,
        reason: None,
        findings: Vec::new(),
        exchange: None,
        cell: None,
        known: None,
        rerun: format!(
            "clerk-mcp-conformance run --profile clerk-mcp --command 'cargo run -- serve' --only {id}"
        ),
    }
}

const SECTIONS: [(u8, &str, &str); 5] = [
    (1, "discovery", "Discovery"),
    (2, "challenges", "Challenges"),
    (6, "claims", "Registered claims"),
    (7, "audience", "Audience, issuer, authorized party"),
    (10, "machine", "Opaque and machine tokens"),
];

/// Changes the result of a case.
pub(crate) trait CaseResultExt: Sized {
    /// Makes the case fail with these findings, or warn if its level is `should`.
    fn failed(self, findings: &[(usize, &str, &str)]) -> Self;
    /// Adds the request and response of a step.
    fn exchanged(self, step: usize, request: &str, response: &str) -> Self;
    /// Sets an outcome with its reason.
    fn with_reason(self, outcome: Outcome, reason: &str) -> Self;
    /// Sets the level to `should`.
    fn recommended(self) -> Self;
    /// Marks the case as a known failure.
    fn known(self, reason: &str) -> Self;
}

impl CaseResultExt for CaseResult {
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

    fn with_reason(mut self, outcome: Outcome, reason: &str) -> Self {
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

/// Returns results with these cases, from a suite of 150.
pub(crate) fn results_of(cases: Vec<CaseResult>) -> Results {
    Results {
        timing: None,
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

/// Returns results with every outcome.
pub(crate) fn results() -> Results {
    const REQUEST: &str = "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:3001\r\nAuthorization: Bearer <session_token of ada, \
        exp -1h>\r\nContent-Type: application/json\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\"}";
    let mut expired = case("claims.expired", "The server rejects a token whose `exp` has passed.")
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
    let mut results =
        results_of(vec![
        case("discovery.json", "The server returns the metadata as JSON."),
        case(
            "discovery.without-a-token",
            "The server returns the metadata without a token.",
        ),
        case(
            "challenges.no-token",
            "The server answers a request without a token with 401 and a Bearer challenge.",
        ),
        case(
            "challenges.scope",
            "The challenge for a request without a token names the scopes to request.",
        )
        .recommended()
        .failed(&[(1, "scope=\"profile email\"", "no scope")]),
        case(
            "claims.audience",
            "The server rejects an `aud` that is neither a string nor a list.",
        )
        .failed(&[(1, "status 401", "status 500")])
        .exchanged(1, REQUEST, &long),
        expired,
        case("claims.hostile", "The server does not repeat a claim that contains markup.")
            .failed(&[(1, "status 401", HOSTILE)])
            .exchanged(
                1,
                REQUEST,
                &format!("HTTP/1.1 200 OK\r\nX-Note: {HOSTILE}\r\n\r\n{HOSTILE}\n```\n{HOSTILE}"),
            ),
        case("claims.not-before", "The server rejects a token before its `nbf`."),
        case(
            "audience.another-server",
            "The server rejects an OAuth token for another server.",
        )
        .failed(&[(1, "status 401", "status 200")])
        .known("Our clients cannot send `resource` yet: <b>ISSUE-12</b>."),
        case("audience.issuer", "The server rejects a token of another issuer.").with_reason(
            Outcome::NotTestable,
            "a rejection proves nothing: the target answered 500 to the same request with an undamaged token",
        ),
        case("audience.party", "The server rejects a token of another party.").with_reason(
            Outcome::NotTestable,
            "a rejection proves nothing: the target answered 500 to the same request with an undamaged token",
        ),
        case(
            "machine.api-key",
            "The server accepts a valid API key as its subject.",
        )
        .with_reason(Outcome::NotApplicable, "the profile does not accept api_key"),
        case(
            "machine.m2m",
            "The server accepts a valid machine token as its machine.",
        )
        .with_reason(Outcome::NotApplicable, "the profile does not accept m2m_token"),
        case(
            "machine.revoked-api-key",
            "The server rejects a revoked API key.",
        )
        .with_reason(Outcome::NotApplicable, "the profile does not accept api_key"),
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
