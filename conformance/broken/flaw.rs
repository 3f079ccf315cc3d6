//! The flaws that the server can have. Each is one mistake that real servers make.

/// Declares every flaw once: variant, command-line name and description.
macro_rules! flaws {
    ($($variant:ident $name:literal $description:literal;)*) => {
        /// One mistake that the server makes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Flaw {
            $(#[doc = $description] $variant,)*
        }

        impl Flaw {
            /// Every flaw.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Returns the name of the flaw on the command line.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Returns a sentence that says what the server does wrong.
            pub(crate) fn description(self) -> &'static str {
                match self { $(Self::$variant => $description,)* }
            }
        }
    };
}

impl Flaw {
    /// Returns the flaw with this name.
    pub(crate) fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|flaw| flaw.name() == name)
    }
}

flaws! {
    // The same answer to every message.
    RefusesAll "refuses-all" "Rejects every message with 401.";
    ForbidsAll "forbids-all" "Rejects every message with 403.";
    FailsAll "fails-all" "Answers every message with 503.";
    TakesAll "takes-all" "Answers every message with 202 and does nothing.";

    // Bearer syntax and session ids.
    TokenInQuery "token-in-query" "Also accepts the token in the query string.";
    TokenInBody "token-in-body" "Also accepts the token in the request body.";
    TokenInCookie "token-in-cookie" "Also accepts the token in Clerk's `__session` cookie.";
    SessionIdAsToken "session-id-as-token" "Accepts any MCP session id in place of a token.";
    RealSessionIdAsToken "real-session-id-as-token"
        "Accepts the id of an existing MCP session in place of its user's token.";
    SessionSkipsExpiry "session-skips-expiry"
        "Accepts an expired token in an MCP session that its user started.";
    SessionIdAdopted "session-id-adopted" "Accepts any MCP session id that a client makes up.";
    AnyonesSession "anyones-session" "Lets every authenticated user use the MCP sessions of other users.";
    LastCallerRemembered "last-caller-remembered"
        "Treats a request without a token as coming from the previous caller.";
    CallerInGlobal "caller-in-global" "Keeps the caller in a variable that all requests share.";
    FirstOfTwoTokens "first-of-two-tokens" "Uses the first of two Authorization headers.";
    LastOfTwoTokens "last-of-two-tokens" "Uses the last of two Authorization headers.";
    FirstOfAList "first-of-a-list" "Uses the first of two credentials in one Authorization header.";
    AnyScheme "any-scheme" "Ignores the authentication scheme and uses the rest of the header as the token.";
    SchemeCaseSensitive "scheme-case-sensitive"
        "Accepts `Bearer`, but no other case of it, such as `bearer`.";
    SchemeNotNeeded "scheme-not-needed" "Accepts a token without a scheme.";
    SchemePrefix "scheme-prefix" "Accepts a scheme that merely begins with `Bearer`.";
    SchemeGlued "scheme-glued" "Accepts a token without a space after the scheme.";
    LastWord "last-word" "Uses the longest of several words after the scheme as the token.";
    TokenParameter "token-parameter" "Accepts the token in a quoted parameter after the scheme.";
    OneSpaceOnly "one-space-only" "Rejects more than one space after the scheme.";
    QuotedToken "quoted-token" "Accepts a token in quotes.";
    PercentDecodedToken "percent-decoded-token"
        "Accepts a token with percent-encoded line breaks and removes them.";
    MalformedHeaderAs500 "malformed-header-as-500" "Answers a malformed Authorization header with 500.";
    TwoTokensAs401 "two-tokens-as-401" "Answers two credentials with 401 instead of 400.";
    OversizedTokenAs500 "oversized-token-as-500" "Answers a token of more than 16 KiB with 500.";
    LittleTokenLimit "little-token-limit" "Rejects tokens of more than 8 KiB.";
    NoTokenLimit "no-token-limit" "Accepts tokens of any length.";
    BodyBeforeToken "body-before-token" "Reads and validates the body before it checks the token.";

    ForwardedLoopbackTrusted "forwarded-loopback-trusted"
        "Requires no token if `X-Forwarded-For` names a loopback address.";
    ConnectionRemembersCaller "connection-remembers-caller"
        "Requires no token on a connection whose earlier request had one.";
    ProxyAuthorizationAccepted "proxy-authorization-accepted"
        "Also accepts the token in `Proxy-Authorization`.";
    OtherTokenHeader "other-token-header" "Also accepts the token in `X-Access-Token` and `X-Auth-Token`.";
    TabAfterScheme "tab-after-scheme" "Accepts a tab between the scheme and the token.";
    CallerPerConnection "caller-per-connection"
        "Keeps the first caller of a connection for the later requests on it.";
    CallerPerHttp2Connection "caller-per-http2-connection"
        "Keeps the first caller of an HTTP/2 connection for the later requests on it.";
    HeadUnprotected "head-unprotected" "Requires no token for HEAD, OPTIONS and PUT.";
    NotificationsUnprotected "notifications-unprotected" "Requires no token for notifications.";
    UnverifiedSubjectFetched "unverified-subject-fetched"
        "Fetches the user that a token names before it verifies the token.";

    // JOSE header and signature.
    AcceptsNone "accepts-none" "Accepts `alg: none` without a signature.";
    AcceptsAnyCaseOfNone "accepts-any-case-of-none"
        "Accepts `none` in another case, such as `alg: None`, without a signature.";
    HmacWithPublicKey "hmac-with-public-key" "Verifies `alg: HS256` with the public key as the secret.";
    HmacWithNothing "hmac-with-nothing" "Verifies `alg: HS256` with an empty secret.";
    AlgIgnored "alg-ignored" "Ignores `alg` and verifies every signature as RS256.";
    AnyRsaAlgorithm "any-rsa-algorithm"
        "Accepts the RSA algorithm that the header names, such as RS384 or PS256.";
    AlgTrimmed "alg-trimmed" "Trims spaces around `alg`.";
    AlgCaseInsensitive "alg-case-insensitive" "Accepts `rs256` for `RS256`.";
    UnknownAlgAs500 "unknown-alg-as-500" "Answers an unknown `alg` with 500.";
    SignatureIgnored "signature-ignored" "Never verifies the signature.";
    EmptySignaturePasses "empty-signature-passes" "Accepts an empty signature.";
    VerificationShared "verification-shared"
        "Verifies concurrent tokens of the same user only once.";
    TypIgnored "typ-ignored" "Does not check `typ`.";
    TypNotNeeded "typ-not-needed" "Accepts session tokens without `typ`.";
    TypContained "typ-contained" "Accepts access tokens whose `typ` merely contains `at+jwt`.";
    ApplicationTypUnknown "application-typ-unknown" "Rejects access tokens with `typ: application/at+jwt`.";
    CatIgnored "cat-ignored" "Does not check `cat`, Clerk's token class.";
    CatNeeded "cat-needed" "Rejects session tokens without `cat`.";
    UnspecifiedCatRefused "unspecified-cat-refused"
        "Rejects the `cat` that carries no class information.";
    CritIgnored "crit-ignored" "Ignores `crit`.";
    CritMalformedIgnored "crit-malformed-ignored" "Ignores a `crit` that is not a list.";
    UnknownHeaderRefused "unknown-header-refused" "Rejects tokens with unknown header parameters.";
    HeaderKeyTrusted "header-key-trusted"
        "Trusts keys that the token's header supplies (`jwk`, `jku`, `x5u`).";
    CertificateTrusted "certificate-trusted"
        "Trusts the key of the certificate that the token's header contains (`x5c`).";
    KidIgnored "kid-ignored" "Ignores `kid` and tries every key.";
    KidNotNeeded "kid-not-needed" "Accepts tokens without `kid` and tries every key.";
    KidAsFile "kid-as-file" "Reads the secret for `alg: HS256` from the file that `kid` names.";
    PaddingAccepted "padding-accepted" "Accepts base64url with padding.";
    TrailingBitsAccepted "trailing-bits-accepted"
        "Accepts base64url that is not canonical because trailing bits are set.";
    StandardAlphabetAccepted "standard-alphabet-accepted"
        "Accepts the standard base64 alphabet (`+` and `/`) instead of base64url.";
    MorePartsAccepted "more-parts-accepted" "Ignores everything after the third part of a token.";
    TwoPartsAccepted "two-parts-accepted" "Accepts tokens without the signature part.";
    DuplicatesAccepted "duplicates-accepted" "Uses the last of two JSON members with the same name.";
    FirstDuplicateCounts "first-duplicate-counts" "Uses the first of two JSON members with the same name.";
    BadJsonAs500 "bad-json-as-500" "Answers a token whose header or claims are not a JSON object with 500.";
    DeepClaimsAs500 "deep-claims-as-500"
        "Answers a token whose claims are deeply nested with 500.";
    NotAJwtAs500 "not-a-jwt-as-500" "Answers a token that is not a JWT with 500.";

    // Claims.
    ExpIgnored "exp-ignored" "Accepts tokens whose `exp` has passed.";
    ExpNotNeeded "exp-not-needed" "Accepts tokens without `exp`.";
    ZeroIsNever "zero-is-never" "Treats an `exp` of zero or less as no expiry.";
    TimesAsText "times-as-text" "Accepts times that are JSON strings.";
    NoLeeway "no-leeway" "Allows no clock skew.";
    MuchLeeway "much-leeway" "Always allows a clock skew of one minute and ignores `CLERK_CLOCK_SKEW`.";
    NbfIgnored "nbf-ignored" "Does not check `nbf`.";
    IatIgnored "iat-ignored" "Does not check `iat`.";
    IatNeeded "iat-needed" "Rejects tokens without `iat` or `nbf`, which are optional.";
    HugeTimesAs500 "huge-times-as-500" "Answers a time outside the years 1 to 9999 with 500.";
    ExpInMilliseconds "exp-in-milliseconds" "Reads `exp` as milliseconds, so every token has expired.";
    IssIgnored "iss-ignored" "Does not check `iss`.";
    KeysOfAnyIssuer "keys-of-any-issuer" "Accepts tokens of other issuers without verifying the signature.";
    IssIgnoredInOutage "iss-ignored-in-outage"
        "Does not check `iss` after a failed fetch of the key set.";
    IssPrefix "iss-prefix" "Accepts an `iss` that merely begins with the issuer.";
    IssSuffix "iss-suffix" "Accepts an `iss` that merely ends with the issuer.";
    IssNormalized "iss-normalized" "Ignores case and trailing slashes of `iss`.";
    SubFormIgnored "sub-form-ignored" "Accepts any text after the prefix of `sub`.";
    SubNotNeeded "sub-not-needed" "Accepts tokens whose `sub` is missing or not a string.";
    SubPrefixIgnored "sub-prefix-ignored" "Does not check the prefix of `sub`.";
    SidNotNeeded "sid-not-needed" "Accepts session tokens without a valid `sid`.";
    UnknownClaimsRefused "unknown-claims-refused" "Rejects tokens with unknown claims.";
    ClaimsBeforeSignature "claims-before-signature" "Checks the claims before the signature.";
    ClaimsAs500 "claims-as-500" "Answers a claim of the wrong type with 500.";

    LenientJson "lenient-json"
        "Accepts claims that are not JSON: with comments, trailing commas, `NaN` or a byte order mark.";
    ClaimsTrimmed "claims-trimmed" "Trims spaces around `iss` and `aud`.";
    IssHostOnly "iss-host-only" "Compares only the host of `iss`.";
    NbfOnlyWithIat "nbf-only-with-iat" "Checks `nbf` only in tokens that have `iat`.";

    // Audience and authorized party.
    AudSchemeIgnored "aud-scheme-ignored" "Ignores the scheme of `aud`.";
    AudAnyResource "aud-any-resource" "Accepts any URL as `aud`.";
    AudIgnored "aud-ignored" "Does not check `aud`.";
    AudienceIsEnough "audience-is-enough"
        "Treats every token whose `aud` names this server as an access token.";
    AudNotNeeded "aud-not-needed" "Accepts access tokens without `aud`.";
    ResourceClaimAsAud "resource-claim-as-aud"
        "Uses the claim `resource` of access tokens without `aud`.";
    AudPrefix "aud-prefix" "Accepts an `aud` that merely begins with `BASE_URL`.";
    AudSubstring "aud-substring" "Accepts an `aud` that merely contains `BASE_URL`.";
    AudOrigin "aud-origin" "Accepts every `aud` that has the server's origin.";
    AudFirstOnly "aud-first-only" "Checks only the first entry of an `aud` list.";
    AudAsTextOnly "aud-as-text-only" "Rejects an `aud` that is a list.";
    AudMalformedPasses "aud-malformed-passes" "Accepts an `aud` of the wrong type.";
    EmptyAudPasses "empty-aud-passes" "Accepts an empty `aud`.";
    AudAsListOnly "aud-as-list-only" "Rejects an `aud` that is a single string.";
    AudCaseSensitive "aud-case-sensitive" "Rejects an `aud` whose scheme or host is in another case.";
    AudCaseInsensitive "aud-case-insensitive" "Ignores the case of the path in `aud`.";
    AudSlashRefused "aud-slash-refused" "Rejects an `aud` with a trailing slash.";
    AudBaseRefused "aud-base-refused" "Rejects an `aud` that is `BASE_URL` instead of the endpoint's URL.";
    AudPartsIgnored "aud-parts-ignored" "Ignores user info, query and fragment of `aud`.";
    AudDotSegments "aud-dot-segments" "Resolves `..` and percent-encoding in the path of `aud`.";
    AudOfSessionIgnored "aud-of-session-ignored" "Does not check the `aud` of session tokens.";
    AudOfSessionNeeded "aud-of-session-needed" "Rejects session tokens without `aud`.";
    AudOfSessionRefused "aud-of-session-refused" "Rejects session tokens with any `aud`.";
    AudienceModeIgnored "audience-mode-ignored" "Ignores `CLERK_AUDIENCE`.";
    AudienceModeBlurred "audience-mode-blurred" "Treats `CLERK_AUDIENCE=if-present` like `off`.";
    AzpIgnored "azp-ignored" "Does not check `azp`.";
    AzpNotNeeded "azp-not-needed" "Accepts tokens without `azp` although authorized parties are configured.";
    AzpPrefix "azp-prefix" "Accepts an `azp` that merely begins with an authorized party.";
    AzpSuffix "azp-suffix" "Accepts an `azp` that merely ends with an authorized party.";
    AzpSubdomains "azp-subdomains" "Accepts subdomains of an authorized party as `azp`.";
    AzpHostOnly "azp-host-only" "Compares only the host of `azp`.";
    AzpListAccepted "azp-list-accepted" "Accepts an `azp` that is a list with an authorized party.";
    AzpOfAccessTokens "azp-of-access-tokens" "Requires `azp` in access tokens, which never have it.";
    AzpAlways "azp-always" "Accepts only its own origin as `azp` when no authorized parties are configured.";
    AzpFirstOnly "azp-first-only" "Checks `azp` against the first authorized party only.";

    // Session tokens.
    PendingAccepted "pending-accepted" "Accepts session tokens whose `sts` is not `active`.";
    OnlyPendingRejected "only-pending-rejected" "Accepts every `sts` except `pending`.";
    StatusNeeded "status-needed" "Rejects session tokens without `sts`.";
    FirstVersionRefused "first-version-refused" "Rejects session tokens of version 1.";
    SecondVersionRefused "second-version-refused" "Rejects session tokens of version 2.";
    IdTokensAccepted "id-tokens-accepted" "Accepts ID tokens as session tokens.";
    TemplateTokensAccepted "template-tokens-accepted" "Accepts tokens of JWT templates as session tokens.";
    MasksAsFloats "masks-as-floats" "Parses permission masks as floating-point numbers.";
    MasksOfAllFeatures "masks-of-all-features"
        "Counts the features of every scope when it assigns masks to features.";
    BadMaskGrantsAll "bad-mask-grants-all" "Grants all permissions for a mask that is not a number.";
    AnyBitGrantsAll "any-bit-grants-all" "Grants all permissions for a mask that is not zero.";
    LastMaskRepeats "last-mask-repeats" "Uses the last mask for all features that follow.";
    MasksCounted "masks-counted" "Grants no permissions when there are more masks than features.";
    SpacesKept "spaces-kept" "Does not trim spaces around features, names and masks.";
    NumbersForNames "numbers-for-names" "Uses bit numbers as permission names when the names are missing.";
    NoMaskGrantsAll "no-mask-grants-all" "Grants all permissions when the masks are missing.";
    SharedFeaturesUnknown "shared-features-unknown"
        "Ignores features that belong to both the organization and the user.";
    RoleWithoutOrganization "role-without-organization" "Reads the role of an organization that has no id.";
    BadFeaturesSkipped "bad-features-skipped" "Skips a feature without a scope, which shifts the masks.";
    UserFeaturesGranted "user-features-granted" "Also grants permissions for the user's features.";
    BitsBackwards "bits-backwards" "Reads the bits of a mask in reverse order.";
    RoleWithoutPrefix "role-without-prefix" "Omits `org:` from the role of version 2.";
    V1ClaimsInV2 "v1-claims-in-v2" "Also reads the claims of version 1 in tokens of version 2.";
    V1Unknown "v1-unknown" "Ignores the organization claims of version 1.";
    VersionAsText "version-as-text" "Accepts the string `2` as version 2.";
    ActorAsUser "actor-as-user" "Treats the actor of an impersonated session as the user.";
    EmptyForAbsent "empty-for-absent" "Returns empty strings for absent values.";
    ScopesOfSessions "scopes-of-sessions" "Grants the scopes in a custom claim of a session token.";

    // OAuth, machine tokens, opaque tokens.
    AccessTokensRefused "access-tokens-refused" "Rejects OAuth access tokens.";
    AccessTokensByClient "access-tokens-by-client"
        "Treats every token with a `client_id` as an access token.";
    SessionClaimsOfAccessTokens "session-claims-of-access-tokens" "Reads session claims from access tokens.";
    ScpUnknown "scp-unknown" "Reads scopes from `scope` only, not from `scp`.";
    RoleOfLastCaller "role-of-last-caller" "Checks the role of the last authenticated caller.";
    RoleSuffix "role-suffix" "Accepts a role that merely ends with `admin`.";
    OtherOrganizationUsed "other-organization-used"
        "Uses another organization of the user when the membership in the named one has ended.";
    OutageAsNoRole "outage-as-no-role"
        "Treats a user as one without a role when Clerk cannot be asked.";
    OrganizationOfAccessTokensLost "organization-of-access-tokens-lost"
        "Ignores the organization of an access token.";
    RoleOfSessionsUnchecked "role-of-sessions-unchecked"
        "Checks the role that a tool requires only for OAuth tokens, not for session tokens.";
    RoleUnchecked "role-unchecked" "Lets every user call a tool that requires a role.";
    OrganizationNotRequested "organization-not-requested"
        "Answers a token without an organization with 403 and no challenge when a tool requires a role.";
    LastRoleKept "last-role-kept" "Never looks up a role again.";

    // Public tools.
    PublicToolIgnored "public-tool-ignored" "Requires a token for public tools and for discovery.";
    EveryToolPublic "every-tool-public" "Lets callers without a token call every tool.";
    OtherRequestsPublic "other-requests-public"
        "Requires a token only for tools, and not for other requests.";
    BadTokenAnonymous "bad-token-anonymous" "Treats a caller with a bad credential as one without a token.";
    HeaderMakesPublic "header-makes-public"
        "Decides by `Mcp-Method` and `Mcp-Name` whether a request needs a token.";
    FirstMemberChecked "first-member-checked"
        "Checks the first of two JSON members with the same name, and runs the last.";
    FirstOfBatchChecked "first-of-batch-checked"
        "Checks only the first message of a batch, and runs all of them.";

    // Kinds of tokens.
    KindsIgnored "kinds-ignored" "Accepts every kind of token and ignores `CLERK_ACCEPTED_TOKENS`.";
    MachinesAsSessions "machines-as-sessions" "Accepts M2M JWTs as session tokens.";
    MachinesRefused "machines-refused" "Rejects M2M tokens.";
    ApiKeysAreUsers "api-keys-are-users" "Treats every API key as a credential of the demo user.";
    OpaqueNotAsked "opaque-not-asked"
        "Accepts opaque tokens by their prefix, without verifying them with Clerk.";
    OpaqueRefused "opaque-refused" "Rejects opaque tokens.";
    UnknownTokensPass "unknown-tokens-pass" "Accepts tokens that Clerk does not know.";
    UnknownTokensAs500 "unknown-tokens-as-500" "Answers a token that Clerk does not know with 500.";
    RevokedIgnored "revoked-ignored" "Accepts opaque tokens that Clerk reports as revoked.";
    ExpiredIgnored "expired-ignored" "Accepts opaque tokens that have expired.";
    InactiveIgnored "inactive-ignored" "Accepts opaque tokens that Clerk reports as inactive.";
    FlagsNotNeeded "flags-not-needed" "Treats missing `revoked` and `expired` flags as false.";
    ExpiredFlagIgnored "expired-flag-ignored"
        "Trusts the expiration time of an opaque token and ignores its `expired` flag.";
    ExpirationIgnored "expiration-ignored"
        "Trusts the `expired` flag of an opaque token and ignores its expiration time.";
    OpaqueObjectIgnored "opaque-object-ignored" "Ignores the `object` in Clerk's answer about an opaque token.";
    OpaqueSubjectUnchecked "opaque-subject-unchecked" "Does not check the subject of opaque tokens.";
    OpaqueAudIgnored "opaque-aud-ignored" "Does not check the audience of opaque tokens.";
    SecondsAsMilliseconds "seconds-as-milliseconds"
        "Reads the times of opaque tokens as milliseconds even when they are seconds.";
    OpaqueNotCached "opaque-not-cached" "Verifies the same opaque token with Clerk on every request.";
    OpaqueNotShared "opaque-not-shared"
        "Verifies the same opaque token with Clerk once for each concurrent request.";
    LookupRefusesOthers "lookup-refuses-others"
        "Answers an opaque token with 401 while it verifies the token for another request.";
    OpaqueOutageKept "opaque-outage-kept"
        "Caches for a minute that Clerk was unavailable when it verified an opaque token.";
    OpaqueCachedForever "opaque-cached-forever" "Caches the verification of an opaque token past its expiry.";
    RateLimitAs401 "rate-limit-as-401" "Answers an opaque token with 401 when Clerk limits the server's requests.";
    UnexpectedAnswerAs401 "unexpected-answer-as-401"
        "Answers an opaque token with 401 when Clerk's answer is not the documented JSON.";
    NullScopesGrantAll "null-scopes-grant-all"
        "Treats an opaque token without a list of scopes as one with all scopes.";
    TokenInLookupUrl "token-in-lookup-url" "Puts opaque tokens into the URL of the request to Clerk.";
    LookupsInAnyCase "lookups-in-any-case" "Caches opaque tokens without regard to case.";
    LookupsByPrefix "lookups-by-prefix" "Caches opaque tokens by their first characters.";
    TextFlagsIgnored "text-flags-ignored" "Treats `revoked` and `expired` flags that are not booleans as false.";
    BackendAnswersUnbounded "backend-answers-unbounded" "Reads answers of Clerk's Backend API of any size.";
    BackendRedirectsFollowed "backend-redirects-followed"
        "Follows redirects of Clerk's Backend API and sends the secret key along.";
    WrongTypesAccepted "wrong-types-accepted"
        "Ignores members of wrong types in Clerk's answers about opaque tokens.";
    LookupBlocksAll "lookup-blocks-all" "Answers no other request while Clerk verifies an opaque token.";
    BadSecretAs401 "bad-secret-as-401" "Answers with 401 when Clerk rejects the server's secret key.";
    BadSecretAs503 "bad-secret-as-503" "Answers with 503 when Clerk rejects the server's secret key.";
    MachineOutageAs401 "machine-outage-as-401"
        "Answers a machine token with 401 when Clerk cannot verify it.";
    OutageAs401 "outage-as-401" "Answers with 401 when Clerk is unavailable.";
    OutageAs500 "outage-as-500" "Answers with 500 when Clerk is unavailable.";
    OutagePasses "outage-passes" "Accepts tokens without verification while Clerk is unavailable.";
    NoRetryAfter "no-retry-after" "Omits `Retry-After` from 503 responses.";
    RetryAfterFixed "retry-after-fixed"
        "Sends `Retry-After: 10` with 503 and ignores the delay that Clerk asks for.";

    // Keys.
    FetchPerUnknownKid "fetch-per-unknown-kid" "Fetches the key set for every unknown `kid`.";
    UnknownKidAs503 "unknown-kid-as-503" "Answers an unknown `kid` with 503.";
    FetchPerRequestWhileAway "fetch-per-request-while-away"
        "Fetches the key set on every request while it has no keys.";
    FloodLocksOut "flood-locks-out" "Answers all callers with 503 after ten tokens with an unknown `kid`.";
    OutageStopsAll "outage-stops-all"
        "Answers all callers with 503 after one opaque token could not be verified.";
    FetchPerRequest "fetch-per-request" "Fetches the key set on every request.";
    FetchesNotShared "fetches-not-shared" "Fetches the key set once for each concurrent request.";
    RotationUnseen "rotation-unseen" "Does not fetch the key set again for an unknown `kid`.";
    KeysFetchedLate "keys-fetched-late" "Fetches the key set only when the first token arrives.";
    JwtKeyIgnored "jwt-key-ignored" "Ignores `CLERK_JWT_KEY` and fetches the key set.";
    OneKeyOnly "one-key-only" "Keeps only the first key of a key set.";
    GivesUpOnKeys "gives-up-on-keys" "Does not fetch the key set again after a failed fetch.";
    OtherMediaTypeIsEmpty "other-media-type-is-empty"
        "Treats a key set that is not declared as JSON as empty.";
    SmallKeysAccepted "small-keys-accepted" "Accepts RSA keys of any size.";
    KeyUseIgnored "key-use-ignored" "Accepts keys for encryption.";
    KeyAlgorithmIgnored "key-algorithm-ignored" "Ignores the `alg` of a key.";
    KeyAlgorithmPrefix "key-algorithm-prefix" "Accepts a key whose `alg` merely begins with `RS`.";
    KeyTypeIgnored "key-type-ignored" "Ignores the `kty` of a key.";
    PublishedSecretTrusted "published-secret-trusted"
        "Verifies `alg: HS256` with a symmetric key of the key set.";
    BadKeySpoilsSet "bad-key-spoils-set" "Rejects the whole key set when one key is unusable.";
    OneKeyPerId "one-key-per-id" "Keeps only the last of several keys with the same `kid`.";
    UnusableKeyHides "unusable-key-hides" "Drops a usable key when an unusable key has the same `kid`.";
    EmptySetTaken "empty-set-taken" "Replaces the cached keys with an empty key set.";
    KeysLostOnFailure "keys-lost-on-failure" "Drops the cached keys when a fetch fails.";
    WithdrawnKeysKept "withdrawn-keys-kept" "Keeps keys that Clerk no longer publishes.";
    RedirectsFollowed "redirects-followed" "Follows redirects when it fetches the key set.";
    FetchWithoutLimit "fetch-without-limit" "Waits up to a minute for the key set.";
    TokensCachedForever "tokens-cached-forever"
        "Caches verified tokens past their expiry and past the withdrawal of their key.";
    TokensCachedByHeader "tokens-cached-by-header" "Caches verified tokens by their JOSE header.";
    TokensCachedBySignature "tokens-cached-by-signature" "Caches verified tokens by their signature alone.";
    TokensCachedByJti "tokens-cached-by-jti" "Caches verified tokens by `jti`.";
    TokensCachedBySession "tokens-cached-by-session" "Caches verified tokens by `sid`.";
    TokensCachedUnsigned "tokens-cached-unsigned"
        "Caches verified tokens by header and claims, without the signature.";
    TokensCachedUnchecked "tokens-cached-unchecked" "Caches tokens before it verifies them.";

    FetchBlocksAll "fetch-blocks-all" "Answers no other request while it fetches the key set.";
    KidCaseInsensitive "kid-case-insensitive" "Ignores the case of `kid`.";
    ErrorStatusKeysUsed "error-status-keys-used" "Uses a key set that Clerk sent with an error status.";
    UnknownKidRemembered "unknown-kid-remembered"
        "Rejects a `kid` forever once it was unknown, even after Clerk publishes it.";
    TokenSentForKeys "token-sent-for-keys" "Sends the caller's token along when it fetches the key set.";
    KidInKeyUrl "kid-in-key-url" "Puts the `kid` of the token into the URL of the key set.";
    KeySetWithoutLimit "key-set-without-limit" "Reads key sets of any size.";
    ExponentOneAccepted "exponent-one-accepted" "Accepts an RSA key with the exponent 1.";
    PaddingUnchecked "padding-unchecked"
        "Searches the decrypted signature for the hash and ignores its padding.";
    FetchPerBadSignature "fetch-per-bad-signature" "Fetches the key set again for every wrong signature.";

    // Configuration and start.
    SecretNotNeeded "secret-not-needed" "Starts without a secret key.";
    SecretUnchecked "secret-unchecked" "Starts with any text as the secret key.";
    DomainNotNeeded "domain-not-needed" "Starts without a domain.";
    BaseUrlNotNeeded "base-url-not-needed" "Starts without `BASE_URL`.";
    SecretLogged "secret-logged" "Prints its settings, with the secret key, when it starts.";
    TokenLogged "token-logged" "Prints the credential of each request that it rejects.";
    SecretPrinted "secret-printed" "Prints the secret key when it is invalid.";
    FirstFaultOnly "first-fault-only" "Reports only the first configuration error.";
    ExitOne "exit-one" "Exits with 1 instead of 78 when the configuration is invalid.";
    ModesMixed "modes-mixed" "Starts with keys and a domain that do not belong together.";
    BaseUrlUnchecked "base-url-unchecked" "Starts with any `BASE_URL`.";
    BadValuesIgnored "bad-values-ignored" "Uses the default instead of an invalid value.";
    DomainLiteral "domain-literal" "Uses `CLERK_DOMAIN` as it is, without validating or normalizing it.";
    PublishableKeyIgnored "publishable-key-ignored" "Ignores `CLERK_PUBLISHABLE_KEY`.";
    BadSecretUnseen "bad-secret-unseen" "Never probes whether Clerk accepts its secret key.";
    OtherApplicationUnseen "other-application-unseen"
        "Does not detect that its secret key belongs to another application.";
    AwayIsBad "away-is-bad" "Treats an unavailable Backend API as a bad secret key.";
    MisconfiguredFirst "misconfigured-first"
        "Answers requests without a token with 500 while its secret key is bad.";

    // Challenges and refusals.
    NoChallenge "no-challenge" "Sends no `WWW-Authenticate`.";
    ChallengeOnMissingOnly "challenge-on-missing-only" "Sends a challenge only when the token is missing.";
    NoResourceMetadata "no-resource-metadata" "Omits `resource_metadata` from the challenge.";
    RelativeResourceMetadata "relative-resource-metadata"
        "Sends a relative `resource_metadata` URL in the challenge.";
    ResourceMetadataOfHost "resource-metadata-of-host"
        "Builds `resource_metadata` from the Host and X-Forwarded-Host headers.";
    Unquoted "unquoted" "Does not quote the parameters of the challenge.";
    NoCommas "no-commas" "Separates the parameters of the challenge with spaces instead of commas.";
    OtherOrder "other-order" "Sends the parameters of the challenge in reverse order.";
    TwiceTheParameter "twice-the-parameter" "Sends `resource_metadata` twice in the challenge.";
    ErrorOnMissing "error-on-missing" "Sends `error` in the challenge when the token is missing.";
    NoError "no-error" "Omits `error` from the challenge for an invalid token.";
    NoScope "no-scope" "Omits `scope` from the challenge.";
    OtherError "other-error" "Sends `error=\"invalid_request\"` for an invalid token.";
    RefusedWith403 "refused-with-403" "Answers an invalid token with 403.";
    RefusedWith400 "refused-with-400" "Answers an invalid token with 400.";
    RefusedWith200 "refused-with-200" "Answers a missing or invalid token with 200 and a JSON-RPC error.";
    RedirectsToSignIn "redirects-to-sign-in" "Redirects requests without a token to a sign-in page.";
    ChallengeOn503 "challenge-on-503"
        "Sends a challenge when Clerk is unavailable or the server is misconfigured.";
    SchemeWithoutChallenge "scheme-without-challenge"
        "Sends no challenge to a request with another authentication scheme.";
    ClaimsEchoed "claims-echoed" "Repeats the `kid` of a rejected token in body and challenge.";
    ReasonLeaked "reason-leaked" "Names the failed check in the response body.";
    TokenLeaked "token-leaked" "Repeats the token in the response body.";
    SecretLeaked "secret-leaked" "Includes the secret key in the body of 5xx responses.";
    OtherTexts "other-texts" "Uses its own error codes and descriptions in refusals.";
    ExpiredAsInvalid "expired-as-invalid" "Reports expired tokens as invalid instead of expired.";
    PlainTextRefusals "plain-text-refusals" "Sends refusals as plain text.";
    RefusalsCached "refusals-cached" "Allows caches to store refusals.";

    // Scopes.
    RequiredScopesIgnored "required-scopes-ignored" "Ignores `REQUIRED_SCOPES`.";
    AnyScopeWillDo "any-scope-will-do" "Accepts tokens that have one of the required scopes.";
    ScopeSubstring "scope-substring" "Accepts a scope that merely contains the required one.";
    ScopeCaseInsensitive "scope-case-insensitive" "Ignores the case of scopes.";
    ScopesSplitOnCommas "scopes-split-on-commas" "Splits the scopes of access tokens at commas too.";
    ScopesSplitOnWhitespace "scopes-split-on-whitespace"
        "Splits the scopes of access tokens at tabs and line breaks too.";
    ScpElementsSplit "scp-elements-split" "Splits the elements of `scp` at spaces.";
    ScopesNotRead "scopes-not-read" "Reads no scopes from access tokens.";
    ScopesInOrder "scopes-in-order" "Requires the scopes in the configured order.";
    ScopeObjects "scope-objects" "Reads the member names of an object as scopes.";
    SessionsNeedNoScopes "sessions-need-no-scopes" "Does not check the scopes of session tokens.";
    OpaqueScopesLost "opaque-scopes-lost" "Ignores the scopes of opaque tokens.";
    ScopesFirst "scopes-first" "Checks scopes before the signature and the claims.";
    ScopesAtInitializeOnly "scopes-at-initialize-only" "Checks scopes only for `initialize`.";
    OneScopeAtATime "one-scope-at-a-time" "Names only the first missing scope.";
    RequiredScopesUnnamed "required-scopes-unnamed"
        "Names only `SCOPES` in the challenge and the metadata, not `REQUIRED_SCOPES`.";
    MissingScopeAs401 "missing-scope-as-401" "Answers a missing scope with 401.";
    AdvertisedScopesAs401 "advertised-scopes-as-401"
        "Answers a token that lacks one of the scopes in `SCOPES` with 401.";
    SecondRefusalUnnamed "second-refusal-unnamed"
        "Sends no challenge when the same token lacks a scope again.";
    MissingScopeUnnamed "missing-scope-unnamed" "Answers a missing scope with 403 without a challenge.";

    // Discovery.
    WellKnownProtected "well-known-protected" "Requires a token for the well-known documents.";
    ResourceOfHost "resource-of-host" "Builds `resource` from the Host and X-Forwarded-Host headers.";
    UrlsOfListener "urls-of-listener" "Builds its URLs from the listen address instead of `BASE_URL`.";
    ResourceWithSlash "resource-with-slash" "Adds a trailing slash to `resource`.";
    ResourceIsOrigin "resource-is-origin"
        "Sends the server's URL as `resource` in the document of the endpoint.";
    NoAuthorizationServers "no-authorization-servers" "Omits `authorization_servers` from the metadata.";
    OwnAuthorizationServer "own-authorization-server" "Names itself as the authorization server.";
    NoName "no-name" "Omits `resource_name` from the metadata.";
    NoScopesSupported "no-scopes-supported" "Omits `scopes_supported` from the metadata.";
    FalseIntrospection "false-introspection" "Names the token endpoint as the introspection endpoint.";
    AnyPathIsAResource "any-path-is-a-resource" "Serves metadata for every path.";
    NoBearerMethods "no-bearer-methods" "Omits `bearer_methods_supported` from the metadata.";
    OfflineAccess "offline-access" "Adds `offline_access` to the scopes in metadata and challenge.";
    ScopesSettingIgnored "scopes-setting-ignored" "Ignores `SCOPES`.";
    EmptyMembers "empty-members" "Sends `resource_documentation` as `null` when `DOCS_URL` is not set.";
    NoRootMetadata "no-root-metadata" "Does not serve the metadata document of the server.";
    NoPathMetadata "no-path-metadata" "Does not serve the metadata document of the endpoint.";
    MetadataAsText "metadata-as-text" "Serves the metadata as text/plain.";
    PathOfBaseIgnored "path-of-base-ignored" "Puts the well-known segment after the path of `BASE_URL`.";
    NoAuthorizationServerMetadata "no-authorization-server-metadata"
        "Does not serve Clerk's authorization server metadata.";
    OwnIssuer "own-issuer" "Replaces the issuer in Clerk's metadata with its own URL.";
    MirrorNotCached "mirror-not-cached" "Fetches Clerk's metadata on every request.";
    MirrorBreaks "mirror-breaks" "Answers with 502 when Clerk's metadata cannot be fetched.";
    MirrorUnchecked "mirror-unchecked"
        "Mirrors every response of Clerk's metadata endpoints, including errors.";
    DocsUrlIgnored "docs-url-ignored" "Ignores `DOCS_URL`.";

    // CORS, Origin, Host, paths, health and pages.
    NoCors "no-cors" "Allows no other origin to read its responses.";
    PreflightNeedsToken "preflight-needs-token" "Requires a token for preflight requests.";
    PreflightIncomplete "preflight-incomplete"
        "Does not allow the MCP headers and `traceparent` in preflight responses.";
    NothingExposed "nothing-exposed" "Exposes no headers to pages, not even `WWW-Authenticate`.";
    RefusalsWithoutCors "refusals-without-cors" "Sends no CORS headers with refusals.";
    CredentialsAllowed "credentials-allowed" "Allows every origin, with credentials.";
    OriginIgnored "origin-ignored" "Does not check `Origin`.";
    NullOriginAllowed "null-origin-allowed" "Allows `Origin: null`.";
    OriginSuffix "origin-suffix" "Allows an origin that merely begins or ends like an allowed one.";
    OriginsSettingIgnored "origins-setting-ignored" "Ignores `ALLOWED_ORIGINS`.";
    OriginNeeded "origin-needed" "Rejects requests without `Origin`.";
    OriginRefused "origin-refused" "Rejects every request with an `Origin`.";
    NoVary "no-vary" "Omits `Vary: Origin`.";
    RewritesBelieved "rewrites-believed" "Routes by the X-Original-URL and X-Rewrite-URL headers.";
    MethodOverridden "method-overridden" "Obeys X-HTTP-Method-Override without checking the token.";
    PagesForEveryone "pages-for-everyone" "Allows other origins to read its HTML pages.";
    HostIgnored "host-ignored" "Does not check `Host`.";
    TargetHostIgnored "target-host-ignored"
        "Checks `Host` and ignores the host in an absolute request target.";
    UrlTargetsUnprotected "url-targets-unprotected"
        "Requires no token when the request target is an absolute URL.";
    FirstOriginCounts "first-origin-counts" "Checks only the first of two `Origin` headers.";
    NoHostForbidden "no-host-forbidden" "Answers a request without `Host` with 403.";
    HostPrefix "host-prefix" "Accepts a `Host` that merely begins like its own.";
    PathTextCompared "path-text-compared"
        "Normalizes paths for routing, but requires a token only for the literal path `/mcp`.";
    HandshakeUnprotected "handshake-unprotected" "Requires no token for the handshake and `tools/list`.";
    ToolsUnprotected "tools-unprotected" "Requires no token for `tools/call`.";
    GetUnprotected "get-unprotected" "Requires no token for GET and DELETE.";
    SubpathsUnprotected "subpaths-unprotected" "Requires no token for paths below the endpoint.";
    NotFoundAsPage "not-found-as-page" "Answers unknown paths with an HTML page.";
    MetricsForEveryone "metrics-for-everyone" "Serves its metrics to everyone.";
    UnknownPathAs200 "unknown-path-as-200" "Answers unknown paths with 200.";
    StackShown "stack-shown" "Shows a code location in error responses.";
    HeadUnknown "head-unknown" "Rejects HEAD requests.";
    TraceEchoes "trace-echoes" "Echoes TRACE requests.";
    NoAllow "no-allow" "Omits `Allow` from 405 responses.";
    WrongMethodAs404 "wrong-method-as-404" "Answers a wrong method with 404.";
    ReadinessShowsToken "readiness-shows-token" "Shows the last rejected token at `/readyz`.";
    AlwaysReady "always-ready" "Reports that it is ready without keys.";
    HealthAsksClerk "health-asks-clerk" "Calls Clerk to answer health checks.";
    HealthProtected "health-protected" "Requires a token for `/healthz`.";
    ReadinessUnexplained "readiness-unexplained" "Omits the reasons from `/readyz`.";
    HealthTellsAll "health-tells-all" "Shows its configuration and secret key at `/readyz`.";
    NoRequestId "no-request-id" "Sends no request id.";
    PagesFromElsewhere "pages-from-elsewhere" "Loads scripts from another host in its pages.";
    NoStartPageInJson "no-start-page-in-json" "Serves the start page only as HTML.";
    NoYaml "no-yaml" "Serves JSON at `/openapi.yaml`.";
    DocumentIncomplete "document-incomplete" "Omits the endpoint from the OpenAPI document.";
    SniffingAllowed "sniffing-allowed" "Omits `X-Content-Type-Options`.";

    // Protocol.
    BatchesProcessed "batches-processed" "Processes batches.";
    LastMethodCounts "last-method-counts" "Uses the last of two `method` members in a message.";
    UnknownMethodAccepted "unknown-method-accepted" "Answers an unknown method with an empty result.";
    UnknownMethodAs200 "unknown-method-as-200" "Answers an unknown method of 2026-07-28 with 200.";
    BadJsonAs200 "bad-json-as-200" "Answers a malformed body with 200.";
    BadBodyAs500 "bad-body-as-500" "Answers a malformed body with 500.";
    HeaderMismatchAccepted "header-mismatch-accepted"
        "Accepts `Mcp-Method`, `Mcp-Name` and version headers that differ from the body.";
    EncodedNamesUnknown "encoded-names-unknown" "Does not decode base64 values of `Mcp-Name`.";
    EncodedNamesUnchecked "encoded-names-unchecked"
        "Does not compare base64 values of `Mcp-Name` with the body.";
    HeadersNotNeeded "headers-not-needed" "Accepts 2026-07-28 messages without their headers.";
    MetaNotNeeded "meta-not-needed" "Accepts 2026-07-28 messages without `_meta`.";
    AnyVersion "any-version" "Accepts every protocol version.";
    AnyVersionOfNotifications "any-version-of-notifications"
        "Accepts notifications of every protocol version.";
    NoSupportedList "no-supported-list" "Omits the supported versions when it rejects a protocol version.";
    InitializeEchoes "initialize-echoes" "Agrees to every protocol version in `initialize`.";
    InitializeInsists "initialize-insists" "Answers every `initialize` with 2025-11-25.";
    VersionHeaderNeeded "version-header-needed" "Rejects requests without `MCP-Protocol-Version`.";
    HandshakeNeeded "handshake-needed" "Rejects every request before an `initialize`.";
    OneEraNamed "one-era-named" "Names only 2026-07-28 in `server/discover`.";
    NoServerInfo "no-server-info" "Omits its name and version from `server/discover`.";
    AnswersCacheable "answers-cacheable" "Allows shared caches to store its responses.";
    UnknownSessionIsDemo "unknown-session-is-demo"
        "Treats every request with a session id as coming from the demo user.";
    OldEraOnly "old-era-only" "Does not support 2026-07-28.";
    NewEraOnly "new-era-only" "Does not support `initialize`.";
    NotificationsAnswered "notifications-answered" "Answers notifications with 200 and a body.";
    AnyContentType "any-content-type" "Accepts every `Content-Type`.";
    AnyAccept "any-accept" "Ignores `Accept`.";
    ContentTypeContained "content-type-contained"
        "Accepts a `Content-Type` that merely contains `application/json`.";
    IdsAsFloats "ids-as-floats" "Parses numeric request ids as floating-point numbers.";
    BadUtf8Replaced "bad-utf8-replaced" "Replaces invalid UTF-8 in the body.";
    WrongTypesAs500 "wrong-types-as-500" "Answers a message whose members have wrong types with 500.";
    DeepJsonAs500 "deep-json-as-500" "Answers deeply nested JSON with 500.";
    AnyJsonRpcVersion "any-json-rpc-version" "Accepts every value of `jsonrpc`.";
    PaddedSessionIds "padded-session-ids" "Counts up to make MCP session ids, and pads them with zeros.";
    SequentialSessionIds "sequential-session-ids" "Counts up to make MCP session ids.";
    AnyTypeRefused "any-type-refused" "Rejects `Accept: */*` and requests without `Accept`.";
    DeclaredSizeIgnored "declared-size-ignored"
        "Receives a body over its limit before it rejects it.";
    NoBodyLimit "no-body-limit" "Accepts a chunked body of any size.";
    ChunksRefused "chunks-refused" "Rejects bodies without `Content-Length`.";
    ToolsInRandomOrder "tools-in-random-order" "Lists its tools in random order.";
    PublicCache "public-cache" "Sends `cacheScope: public`.";
    NoCacheHints "no-cache-hints" "Omits the cache hints from `tools/list`.";
    NoResultType "no-result-type" "Omits `resultType` from results of 2026-07-28.";
    IdLost "id-lost" "Answers with an id that differs from the request's.";
    DigitIdsAsNumbers "digit-ids-as-numbers"
        "Answers a request whose id is a string of digits with a number as id.";
    IdLostInErrors "id-lost-in-errors" "Answers with `id: null` in every error.";
    PingUnknown "ping-unknown" "Does not support `ping`.";
    GetAnswered "get-answered" "Answers GET on the endpoint with 200.";

    // Tools.
    OnePageOnly "one-page-only" "Lists only the first page of memberships.";
    HalfAList "half-a-list" "Returns an incomplete list when a page of memberships cannot be fetched.";
    UserShared "user-shared" "Returns the first fetched user to every caller.";
    UserPerOrganization "user-per-organization"
        "Caches the user under the id of the active organization.";
    SessionShared "session-shared" "Uses the session of the first caller for every caller.";
    GreetsSession "greets-session" "Greets with the session id instead of the user id.";
    GreetAsksClerk "greet-asks-clerk" "Calls Clerk in `greet`.";
    TokenInResults "token-in-results" "Includes the caller's token in results.";
    OtherUserServed "other-user-served"
        "Does not check that Clerk's answer is about the user that was asked for.";
    FirstEmail "first-email" "Returns the first email address of a user instead of the primary one.";
    EmailNeeded "email-needed" "Fails for users without an email address.";
    ToolErrorAs500 "tool-error-as-500" "Answers a failed tool call with 500.";
    ToolErrorAsResult "tool-error-as-result" "Sets `isError` to false when a tool fails.";
    ToolWaits "tool-waits" "Waits up to a minute for Clerk in a tool call.";
    ClerksErrorRepeated "clerks-error-repeated"
        "Repeats Clerk's error and the secret key in the result of a failed tool.";
    StructuredMissing "structured-missing" "Omits `structuredContent` and returns data as text only.";
    TextDiffers "text-differs" "Returns a text that differs from the data.";
    SnakeCase "snake-case" "Names result members in `snake_case`.";
    NumericTimes "numeric-times" "Returns times as numbers.";
    AbsentLeftOut "absent-left-out" "Omits absent values instead of returning `null`.";
    UnknownArgumentsAccepted "unknown-arguments-accepted" "Accepts unknown tool arguments.";
    ArgumentsUnchecked "arguments-unchecked" "Accepts tool arguments of any type.";
    UnknownToolAsResult "unknown-tool-as-result" "Answers a call of an unknown tool with an empty result.";
    ToolMissing "tool-missing" "Lacks the `whoami` tool.";
    NoAnnotations "no-annotations" "Omits title, annotations and output schema from its tools.";
    FailsWithoutOrganizations "fails-without-organizations" "Fails when the user has no memberships.";
    BannedServed "banned-served" "Serves banned users.";
    BannedServedInOneTool "banned-served-in-one-tool" "Serves banned users in `get-user-info`.";
    UserIdFromArguments "user-id-from-arguments"
        "Uses the `userId` argument instead of the caller's user id.";
    CallersTokenPassedOn "callers-token-passed-on"
        "Calls Clerk with the caller's token instead of the secret key.";
    UsersNotCached "users-not-cached" "Fetches the same user from Clerk on every call.";
    NoRetries "no-retries" "Does not retry a failed call to Clerk.";
    ManyRetries "many-retries" "Calls Clerk ten times before it gives up.";
    FailuresRemembered "failures-remembered" "Caches failed calls to Clerk as long as successful ones.";
}
