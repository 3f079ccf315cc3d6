//! The flaws: each is one thing that real servers get wrong.

/// Declares the flaws once: variant, name, what the server does wrong.
macro_rules! flaws {
    ($($variant:ident $name:literal $about:literal;)*) => {
        /// One thing that the server does wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Flaw {
            $(#[doc = $about] $variant,)*
        }

        impl Flaw {
            /// Every flaw.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name on the command line.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What the server does wrong.
            pub(crate) fn about(self) -> &'static str {
                match self { $(Self::$variant => $about,)* }
            }
        }
    };
}

impl Flaw {
    /// The flaw of this name.
    pub(crate) fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|flaw| flaw.name() == name)
    }
}

flaws! {
    // One answer to everything.
    RefusesAll "refuses-all" "Every message is answered with 401.";
    ForbidsAll "forbids-all" "Every message is answered with 403.";
    FailsAll "fails-all" "Every message is answered with 503.";
    TakesAll "takes-all" "Every message is answered with 202, and nothing happens.";

    // Bearer syntax.
    TokenInQuery "token-in-query" "Takes the token from the query, too.";
    TokenInBody "token-in-body" "Takes the token from the body, too.";
    TokenInCookie "token-in-cookie" "Takes the token from the cookie of Clerk, too.";
    SessionIdAsToken "session-id-as-token" "Takes the id of a session for a credential.";
    RealSessionIdAsToken "real-session-id-as-token" "The id of a session that there is stands for its user's token.";
    AnyonesSession "anyones-session" "Whoever has a token may use everybody's sessions.";
    LastCallerRemembered "last-caller-remembered" "A request without a token is that of the last caller.";
    FirstOfTwoTokens "first-of-two-tokens" "Of two Authorization headers the first counts.";
    LastOfTwoTokens "last-of-two-tokens" "Of two Authorization headers the last counts.";
    FirstOfAList "first-of-a-list" "Of two credentials in one header the first counts.";
    AnyScheme "any-scheme" "Whatever the scheme is, what comes after it is the token.";
    SchemeCaseSensitive "scheme-case-sensitive" "Knows Bearer, but not bearer.";
    SchemeNotNeeded "scheme-not-needed" "A value without a scheme is the token.";
    SchemeGlued "scheme-glued" "Needs no space between scheme and token.";
    LastWord "last-word" "Of several words after the scheme the first or last counts.";
    TokenParameter "token-parameter" "Takes the token from a parameter of the scheme.";
    OneSpaceOnly "one-space-only" "Refuses more than one space after the scheme.";
    QuotedToken "quoted-token" "Takes quotes off the token.";
    PercentDecodedToken "percent-decoded-token" "Decodes the token as if it were a URL, and drops white space.";
    MalformedHeaderAs500 "malformed-header-as-500" "A malformed Authorization header is answered with 500.";
    TwoTokensAs401 "two-tokens-as-401" "Two credentials are answered with 401, not 400.";
    OversizedTokenAs500 "oversized-token-as-500" "A token of more than 16 KiB is answered with 500.";
    LittleTokenLimit "little-token-limit" "Refuses tokens of more than 8 KiB.";
    NoTokenLimit "no-token-limit" "Reads a token of any size.";
    BodyBeforeToken "body-before-token" "Reads and judges the body before the token.";

    // JOSE header and signature.
    AcceptsNone "accepts-none" "alg: none needs no signature.";
    AcceptsAnyCaseOfNone "accepts-any-case-of-none" "alg: None and nOnE need no signature.";
    HmacWithPublicKey "hmac-with-public-key" "alg: HS256 is verified with the public key as the secret.";
    HmacWithNothing "hmac-with-nothing" "alg: HS256 is verified with an empty secret.";
    AlgIgnored "alg-ignored" "Whatever alg says, the signature is taken for RS256.";
    AnyRsaAlgorithm "any-rsa-algorithm" "Verifies by whichever algorithm of RSA the header names.";
    AlgCaseInsensitive "alg-case-insensitive" "Takes rs256 for RS256.";
    UnknownAlgAs500 "unknown-alg-as-500" "An algorithm that it does not know is answered with 500.";
    SignatureIgnored "signature-ignored" "Reads the claims and never checks the signature.";
    EmptySignaturePasses "empty-signature-passes" "Checks the signature only if there is one.";
    TypIgnored "typ-ignored" "Never looks at typ.";
    TypNotNeeded "typ-not-needed" "A token without typ is a session token.";
    TypContained "typ-contained" "It is enough that at+jwt is somewhere in typ.";
    ApplicationTypUnknown "application-typ-unknown" "Does not know application/at+jwt.";
    CatIgnored "cat-ignored" "Never looks at Clerk's class of token, cat.";
    CatNeeded "cat-needed" "Refuses tokens without cat.";
    UnspecifiedCatRefused "unspecified-cat-refused" "Refuses the class that says nothing.";
    CritIgnored "crit-ignored" "Overlooks critical extensions.";
    UnknownHeaderRefused "unknown-header-refused" "Refuses header members that it does not know.";
    HeaderKeyTrusted "header-key-trusted" "Trusts the key that a token brings along: jwk, jku, x5u, x5c.";
    KidIgnored "kid-ignored" "Tries every key, whatever kid says.";
    KidNotNeeded "kid-not-needed" "Without kid it takes the first key.";
    KidAsFile "kid-as-file" "The secret of alg: HS256 is in the file that kid names.";
    PaddingAccepted "padding-accepted" "Takes base64 with padding.";
    TrailingBitsAccepted "trailing-bits-accepted" "Takes base64 that is not canonical.";
    StandardAlphabetAccepted "standard-alphabet-accepted" "Takes the alphabet of base64 for that of base64url.";
    MorePartsAccepted "more-parts-accepted" "Overlooks what comes after the third part.";
    TwoPartsAccepted "two-parts-accepted" "A token without its third part is unsigned, and passes.";
    DuplicatesAccepted "duplicates-accepted" "Of two members of one name the last counts.";
    FirstDuplicateCounts "first-duplicate-counts" "Of two members of one name the first counts.";
    BadJsonAs500 "bad-json-as-500" "A token that holds no JSON object is answered with 500.";
    NotAJwtAs500 "not-a-jwt-as-500" "A token that is no JWT is answered with 500.";

    // Claims.
    ExpIgnored "exp-ignored" "Never looks at exp.";
    ExpNotNeeded "exp-not-needed" "A token without exp never expires.";
    ZeroIsNever "zero-is-never" "An exp of zero or less is none.";
    TimesAsText "times-as-text" "Reads times from texts.";
    NoLeeway "no-leeway" "Leaves no time for clocks that differ.";
    MuchLeeway "much-leeway" "Leaves a minute, whatever is configured.";
    NbfIgnored "nbf-ignored" "Never looks at nbf.";
    IatIgnored "iat-ignored" "Never looks at iat.";
    IatNeeded "iat-needed" "Refuses tokens without iat or nbf, which need none.";
    HugeTimesAs500 "huge-times-as-500" "A time beyond all calendars is answered with 500.";
    ExpInMilliseconds "exp-in-milliseconds" "Compares exp with milliseconds: everything has expired.";
    IssIgnored "iss-ignored" "Never looks at iss.";
    KeysOfAnyIssuer "keys-of-any-issuer" "Takes whatever key a token names when the issuer is not ours.";
    IssPrefix "iss-prefix" "It is enough that iss begins with the issuer.";
    IssSuffix "iss-suffix" "It is enough that iss ends with the issuer.";
    IssNormalized "iss-normalized" "Compares iss without case and trailing slash.";
    SubNotNeeded "sub-not-needed" "A token without sub, or with one that is no text, passes.";
    SubPrefixIgnored "sub-prefix-ignored" "sub need not be a user.";
    SidNotNeeded "sid-not-needed" "A session token needs no session.";
    UnknownClaimsRefused "unknown-claims-refused" "Refuses claims that it does not know.";
    ClaimsBeforeSignature "claims-before-signature" "Looks at the claims before the signature.";
    ClaimsAs500 "claims-as-500" "A claim of the wrong type is answered with 500.";

    // Audience and authorized party.
    AudAnyResource "aud-any-resource" "It is enough that aud is a URL.";
    AudIgnored "aud-ignored" "Never looks at aud.";
    AudienceIsEnough "audience-is-enough" "Whatever Clerk signed for our audience is an access token.";
    AudNotNeeded "aud-not-needed" "An access token without aud passes.";
    AudPrefix "aud-prefix" "It is enough that aud begins with the resource.";
    AudSubstring "aud-substring" "It is enough that the resource is somewhere in aud.";
    AudOrigin "aud-origin" "It is enough that aud is of our origin.";
    AudFirstOnly "aud-first-only" "Of a list of audiences the first counts.";
    AudAsTextOnly "aud-as-text-only" "Does not understand lists of audiences.";
    AudMalformedPasses "aud-malformed-passes" "An aud of the wrong type counts as none, and passes.";
    EmptyAudPasses "empty-aud-passes" "An empty aud counts as none, and passes.";
    AudAsListOnly "aud-as-list-only" "Does not understand an audience that is one text.";
    AudCaseSensitive "aud-case-sensitive" "Refuses another case of scheme and host.";
    AudCaseInsensitive "aud-case-insensitive" "Overlooks case in the path, too.";
    AudSlashRefused "aud-slash-refused" "Refuses a trailing slash.";
    AudBaseRefused "aud-base-refused" "Knows the endpoint as its name, but not the server.";
    AudOfSessionIgnored "aud-of-session-ignored" "Never looks at the aud of session tokens.";
    AudOfSessionNeeded "aud-of-session-needed" "Refuses session tokens without aud.";
    AudOfSessionRefused "aud-of-session-refused" "Refuses session tokens with any aud.";
    AudienceModeIgnored "audience-mode-ignored" "`CLERK_AUDIENCE` changes nothing.";
    AudienceModeBlurred "audience-mode-blurred" "if-present is treated like off.";
    AzpIgnored "azp-ignored" "Never looks at azp.";
    AzpNotNeeded "azp-not-needed" "With authorized parties, a token without azp passes.";
    AzpPrefix "azp-prefix" "It is enough that azp begins with an authorized party.";
    AzpOfAccessTokens "azp-of-access-tokens" "Asks access tokens for azp, which they never have.";
    AzpAlways "azp-always" "Without authorized parties, only our own origin may be azp.";
    AzpFirstOnly "azp-first-only" "Of the authorized parties the first counts.";

    // Session tokens.
    PendingAccepted "pending-accepted" "A session with tasks left passes.";
    StatusNeeded "status-needed" "Refuses session tokens without sts.";
    FirstVersionRefused "first-version-refused" "Refuses session tokens of version 1.";
    SecondVersionRefused "second-version-refused" "Refuses session tokens of version 2.";
    IdTokensAccepted "id-tokens-accepted" "Takes ID tokens for session tokens.";
    TemplateTokensAccepted "template-tokens-accepted" "Takes tokens of JWT templates for session tokens.";
    MasksAsFloats "masks-as-floats" "Reads permission masks as floating point numbers.";
    MasksOfAllFeatures "masks-of-all-features" "Counts masks over the features of every scope.";
    BadMaskGrantsAll "bad-mask-grants-all" "A mask that is no number grants everything.";
    AnyBitGrantsAll "any-bit-grants-all" "A mask that is not zero grants everything.";
    LastMaskRepeats "last-mask-repeats" "The last mask is that of all features that follow.";
    MasksCounted "masks-counted" "With more masks than features, none counts.";
    SpacesKept "spaces-kept" "Spaces are part of features, names and masks.";
    NumbersForNames "numbers-for-names" "Without names the bits are the names.";
    NoMaskGrantsAll "no-mask-grants-all" "Without masks every name is granted.";
    SharedFeaturesUnknown "shared-features-unknown" "Knows features of one scope only.";
    RoleWithoutOrganization "role-without-organization" "Reads the role of an organization that has no id.";
    BadFeaturesSkipped "bad-features-skipped" "Skips a feature without scope, and so shifts the masks.";
    UserFeaturesGranted "user-features-granted" "Features of the user grant permissions, too.";
    BitsBackwards "bits-backwards" "The first permission is the highest bit.";
    RoleWithoutPrefix "role-without-prefix" "Gives the role of version 2 without org:.";
    V1ClaimsInV2 "v1-claims-in-v2" "In version 2 the claims of version 1 count, too.";
    V1Unknown "v1-unknown" "Knows the organization of version 2 only.";
    VersionAsText "version-as-text" "Takes the text 2 for version 2.";
    ActorAsUser "actor-as-user" "Of an impersonated session, the actor is the user.";
    EmptyForAbsent "empty-for-absent" "Gives empty texts for what is absent.";
    ScopesOfSessions "scopes-of-sessions" "A custom claim of a session token grants scopes.";

    // OAuth, machine tokens, opaque tokens.
    AccessTokensRefused "access-tokens-refused" "Knows session tokens only.";
    AccessTokensByClient "access-tokens-by-client" "Whatever has a client is an access token.";
    SessionClaimsOfAccessTokens "session-claims-of-access-tokens" "Reads the claims of sessions in access tokens.";
    ScpUnknown "scp-unknown" "Reads scopes in scope only.";
    OrganizationOfAccessTokensLost "organization-of-access-tokens-lost" "Overlooks the organization of an access token.";
    KindsIgnored "kinds-ignored" "Takes every kind of token, whatever is configured.";
    MachinesAsSessions "machines-as-sessions" "Takes a machine's JWT for a session token.";
    MachinesRefused "machines-refused" "Does not know JWTs of machines.";
    ApiKeysAreUsers "api-keys-are-users" "The API key of an organization acts as a user.";
    OpaqueNotAsked "opaque-not-asked" "Takes opaque tokens by their prefix.";
    OpaqueRefused "opaque-refused" "Does not know opaque tokens.";
    UnknownTokensPass "unknown-tokens-pass" "A token that Clerk does not know passes.";
    UnknownTokensAs500 "unknown-tokens-as-500" "A token that Clerk does not know is answered with 500.";
    RevokedIgnored "revoked-ignored" "Overlooks that Clerk says revoked.";
    ExpiredIgnored "expired-ignored" "Overlooks that Clerk says expired.";
    InactiveIgnored "inactive-ignored" "Overlooks that Clerk says inactive.";
    FlagsNotNeeded "flags-not-needed" "What Clerk does not call revoked or expired is neither.";
    ExpirationIgnored "expiration-ignored" "Goes by Clerk's flag, and never looks at the time.";
    OpaqueSubjectUnchecked "opaque-subject-unchecked" "The subject of an opaque token may be anybody.";
    OpaqueAudIgnored "opaque-aud-ignored" "Overlooks the audience of opaque tokens.";
    SecondsAsMilliseconds "seconds-as-milliseconds" "Takes the seconds of opaque tokens for milliseconds.";
    OpaqueNotCached "opaque-not-cached" "Asks Clerk about the same token every time.";
    OpaqueNotShared "opaque-not-shared" "Asks Clerk once for each request under way.";
    OpaqueOutageKept "opaque-outage-kept" "Keeps that Clerk could not be asked of a token for a minute.";
    OpaqueCachedForever "opaque-cached-forever" "Keeps what Clerk said of a token, past its end.";
    BadSecretAs401 "bad-secret-as-401" "A secret key that Clerk refuses is the client's fault: 401.";
    BadSecretAs503 "bad-secret-as-503" "A secret key that Clerk refuses is an outage: 503.";
    MachineOutageAs401 "machine-outage-as-401" "When Clerk cannot be asked about a machine, the machine is at fault: 401.";
    OutageAs401 "outage-as-401" "An outage of Clerk is the client's fault: 401.";
    OutageAs500 "outage-as-500" "An outage of Clerk is answered with 500.";
    OutagePasses "outage-passes" "While Clerk is away, tokens pass unchecked.";
    NoRetryAfter "no-retry-after" "503 does not say when to come again.";
    RetryAfterFixed "retry-after-fixed" "503 asks to come again in ten seconds, whatever Clerk says.";

    // Keys.
    FetchPerUnknownKid "fetch-per-unknown-kid" "Fetches the keys for every unknown kid.";
    UnknownKidAs503 "unknown-kid-as-503" "An unknown kid is an outage.";
    FetchPerRequestWhileAway "fetch-per-request-while-away" "Without keys, every request fetches them.";
    FloodLocksOut "flood-locks-out" "After some unknown keys nobody gets in.";
    OutageStopsAll "outage-stops-all" "After one failure of Clerk nobody gets in for a while.";
    FetchPerRequest "fetch-per-request" "Fetches the keys for every request.";
    FetchesNotShared "fetches-not-shared" "Fetches the keys once for each request under way.";
    RotationUnseen "rotation-unseen" "Never fetches the keys again.";
    KeysFetchedLate "keys-fetched-late" "Fetches its keys when the first token comes.";
    JwtKeyIgnored "jwt-key-ignored" "Fetches keys although one is configured.";
    OneKeyOnly "one-key-only" "Keeps one key of a set.";
    GivesUpOnKeys "gives-up-on-keys" "Does not fetch the keys again after a failure.";
    OtherMediaTypeIsEmpty "other-media-type-is-empty" "A key set of another media type has no keys.";
    SmallKeysAccepted "small-keys-accepted" "Takes RSA keys of any size.";
    KeyUseIgnored "key-use-ignored" "Takes keys for encryption, too.";
    KeyAlgorithmIgnored "key-algorithm-ignored" "Never looks at the algorithm of a key.";
    KeyTypeIgnored "key-type-ignored" "Never looks at the type of a key.";
    PublishedSecretTrusted "published-secret-trusted" "alg: HS256 is verified with a secret of the key set.";
    BadKeySpoilsSet "bad-key-spoils-set" "One key that cannot be used makes the set unreadable.";
    UnusableKeyHides "unusable-key-hides" "A key that cannot be used hides those of the same id.";
    EmptySetTaken "empty-set-taken" "A set without keys replaces the one that is held.";
    KeysLostOnFailure "keys-lost-on-failure" "Forgets its keys when they cannot be fetched.";
    WithdrawnKeysKept "withdrawn-keys-kept" "Keeps keys that Clerk no longer publishes.";
    RedirectsFollowed "redirects-followed" "Follows redirects to another key set.";
    FetchWithoutLimit "fetch-without-limit" "Waits for the keys without end.";
    TokensCachedForever "tokens-cached-forever" "Keeps verified tokens past their end and that of their key.";
    TokensCachedByHeader "tokens-cached-by-header" "Keeps verified tokens by their JOSE header.";
    TokensCachedByJti "tokens-cached-by-jti" "Keeps verified tokens by their jti.";
    TokensCachedBySession "tokens-cached-by-session" "Keeps verified tokens by their session.";
    TokensCachedUnsigned "tokens-cached-unsigned" "Keeps verified tokens without their signature.";
    TokensCachedUnchecked "tokens-cached-unchecked" "Keeps tokens before it verifies them.";

    // Start.
    SecretNotNeeded "secret-not-needed" "Starts without a secret key.";
    SecretUnchecked "secret-unchecked" "Starts with any text as the secret key.";
    DomainNotNeeded "domain-not-needed" "Starts without a domain.";
    BaseUrlNotNeeded "base-url-not-needed" "Starts without `BASE_URL`.";
    SecretPrinted "secret-printed" "Prints the secret key when something is wrong with it.";
    FirstFaultOnly "first-fault-only" "Reports the first thing that is wrong, and no other.";
    ExitOne "exit-one" "Exits with 1 when its configuration is wrong.";
    ModesMixed "modes-mixed" "Starts with keys and domain of different kinds.";
    BaseUrlUnchecked "base-url-unchecked" "Starts with any `BASE_URL`.";
    BadValuesIgnored "bad-values-ignored" "Takes the default for what it cannot read.";
    DomainLiteral "domain-literal" "Does not take a domain with scheme or slash.";
    PublishableKeyIgnored "publishable-key-ignored" "Does not find the domain in the publishable key.";
    BadSecretUnseen "bad-secret-unseen" "Never asks whether its secret key is good.";
    OtherApplicationUnseen "other-application-unseen" "Never asks whether its secret key is of the same application.";
    AwayIsBad "away-is-bad" "A Backend API that is away means a bad secret key.";
    MisconfiguredFirst "misconfigured-first" "With a bad secret key, no request gets a challenge.";

    // Challenges and refusals.
    NoChallenge "no-challenge" "401 without WWW-Authenticate.";
    ChallengeOnMissingOnly "challenge-on-missing-only" "Challenges when there is no token, but not when it is bad.";
    NoResourceMetadata "no-resource-metadata" "The challenge does not name the metadata.";
    RelativeResourceMetadata "relative-resource-metadata" "The challenge names the metadata by its path.";
    ResourceMetadataOfHost "resource-metadata-of-host" "The challenge repeats the Host header.";
    Unquoted "unquoted" "The parameters of the challenge are not quoted.";
    NoCommas "no-commas" "Spaces, not commas, between the parameters.";
    OtherOrder "other-order" "The parameters come in another order.";
    TwiceTheParameter "twice-the-parameter" "A parameter comes twice.";
    ErrorOnMissing "error-on-missing" "error= although there was no token.";
    NoError "no-error" "No error= for a bad token.";
    NoScope "no-scope" "The challenge names no scopes.";
    OtherError "other-error" "error=\"invalid_request\" for a bad token.";
    RefusedWith403 "refused-with-403" "403 for a bad token.";
    RefusedWith400 "refused-with-400" "400 for a bad token.";
    RefusedWith200 "refused-with-200" "200 with a JSON-RPC error for a bad token.";
    RedirectsToSignIn "redirects-to-sign-in" "Sends clients without a token to a sign-in page.";
    ChallengeOn503 "challenge-on-503" "A challenge although Clerk is away or the server is misconfigured.";
    ReasonLeaked "reason-leaked" "The body says which check failed.";
    TokenLeaked "token-leaked" "The body repeats the token.";
    SecretLeaked "secret-leaked" "The body of a failure has the secret key in it.";
    OtherTexts "other-texts" "Says everything in other words.";
    ExpiredAsInvalid "expired-as-invalid" "Does not tell expired tokens from invalid ones.";
    PlainTextRefusals "plain-text-refusals" "Refuses in plain text.";
    RefusalsCached "refusals-cached" "Lets caches keep its refusals.";

    // Scopes.
    RequiredScopesIgnored "required-scopes-ignored" "Never asks for scopes.";
    AnyScopeWillDo "any-scope-will-do" "One of the required scopes is enough.";
    ScopeSubstring "scope-substring" "It is enough that a scope is part of another.";
    ScopeCaseInsensitive "scope-case-insensitive" "Overlooks case in scopes.";
    ScopesNotRead "scopes-not-read" "Finds no scopes in tokens.";
    ScopesInOrder "scopes-in-order" "Scopes must come in the order they are configured in.";
    ScopeObjects "scope-objects" "The names of an object count as scopes.";
    SessionsNeedNoScopes "sessions-need-no-scopes" "Session tokens need no scopes.";
    OpaqueScopesLost "opaque-scopes-lost" "Finds no scopes in opaque tokens.";
    ScopesFirst "scopes-first" "Looks at scopes before anything else.";
    ScopesAtInitializeOnly "scopes-at-initialize-only" "Asks for scopes at initialize, and then no more.";
    OneScopeAtATime "one-scope-at-a-time" "Names only the first scope that is missing.";
    MissingScopeAs401 "missing-scope-as-401" "A missing scope is answered with 401.";
    MissingScopeUnnamed "missing-scope-unnamed" "A missing scope is answered with a bare 403.";

    // Discovery.
    WellKnownProtected "well-known-protected" "The metadata needs a token.";
    ResourceOfHost "resource-of-host" "resource is made of the Host and X-Forwarded-Host headers.";
    UrlsOfListener "urls-of-listener" "Publishes the address it listens at.";
    ResourceWithSlash "resource-with-slash" "resource ends with a slash.";
    ResourceIsOrigin "resource-is-origin" "resource is the server's, also in the endpoint's document.";
    NoAuthorizationServers "no-authorization-servers" "The metadata names no authorization server.";
    OwnAuthorizationServer "own-authorization-server" "Names itself as the authorization server.";
    NoName "no-name" "The metadata has no name for people.";
    NoScopesSupported "no-scopes-supported" "The metadata names no scopes.";
    FalseIntrospection "false-introspection" "Names the token endpoint as one for introspection.";
    AnyPathIsAResource "any-path-is-a-resource" "Has metadata for every path.";
    NoBearerMethods "no-bearer-methods" "The metadata does not say where tokens go.";
    OfflineAccess "offline-access" "Metadata and challenge ask for `offline_access`.";
    ScopesSettingIgnored "scopes-setting-ignored" "`SCOPES` changes nothing.";
    EmptyMembers "empty-members" "Members without entries are there all the same.";
    NoRootMetadata "no-root-metadata" "The document at the root is missing.";
    NoPathMetadata "no-path-metadata" "The document of the endpoint is missing.";
    MetadataAsText "metadata-as-text" "The metadata is text/plain.";
    PathOfBaseIgnored "path-of-base-ignored" "Puts the well-known segment after the path of `BASE_URL`.";
    NoAuthorizationServerMetadata "no-authorization-server-metadata" "Does not mirror Clerk's metadata.";
    OwnIssuer "own-issuer" "Mirrors Clerk's metadata with an issuer of its own.";
    MirrorNotCached "mirror-not-cached" "Asks Clerk for its metadata every time.";
    MirrorBreaks "mirror-breaks" "Without Clerk there is no metadata.";
    MirrorUnchecked "mirror-unchecked" "Mirrors whatever it gets, errors too.";
    DocsUrlIgnored "docs-url-ignored" "`DOCS_URL` changes nothing.";

    // Edge.
    NoCors "no-cors" "Other origins can read nothing.";
    PreflightNeedsToken "preflight-needs-token" "Preflights need a token.";
    PreflightIncomplete "preflight-incomplete" "Preflights do not allow the headers of MCP.";
    NothingExposed "nothing-exposed" "Pages cannot read WWW-Authenticate.";
    RefusalsWithoutCors "refusals-without-cors" "Refusals have no CORS headers.";
    CredentialsAllowed "credentials-allowed" "Allows every origin, with credentials.";
    OriginIgnored "origin-ignored" "Never looks at Origin.";
    NullOriginAllowed "null-origin-allowed" "Allows the origin null.";
    OriginSuffix "origin-suffix" "It is enough that Origin begins or ends like an allowed one.";
    OriginsSettingIgnored "origins-setting-ignored" "`ALLOWED_ORIGINS` changes nothing.";
    OriginNeeded "origin-needed" "Refuses requests without Origin.";
    OriginRefused "origin-refused" "Refuses every request with an Origin.";
    NoVary "no-vary" "Answers do not say that they depend on Origin.";
    RewritesBelieved "rewrites-believed" "Goes where X-Original-URL and X-Rewrite-URL say.";
    MethodOverridden "method-overridden" "Does what X-HTTP-Method-Override says.";
    PagesForEveryone "pages-for-everyone" "Other origins may read the pages.";
    HostIgnored "host-ignored" "Never looks at Host.";
    TargetHostIgnored "target-host-ignored" "Goes by Host alone, whatever the target says.";
    UrlTargetsUnprotected "url-targets-unprotected" "Where the target is a whole URL, no token is needed.";
    HostPrefix "host-prefix" "It is enough that Host begins like ours.";
    PathTextCompared "path-text-compared" "Compares the text of the path beside the router.";
    HandshakeUnprotected "handshake-unprotected" "Only calls of tools need a token.";
    ToolsUnprotected "tools-unprotected" "Tools need no token.";
    GetUnprotected "get-unprotected" "GET and DELETE need no token.";
    SubpathsUnprotected "subpaths-unprotected" "What is below the endpoint needs no token.";
    NotFoundAsPage "not-found-as-page" "404 is an HTML page.";
    MetricsForEveryone "metrics-for-everyone" "Shows its metrics to everybody.";
    UnknownPathAs200 "unknown-path-as-200" "Every path has an answer.";
    StackShown "stack-shown" "Errors show where in the program they happened.";
    HeadUnknown "head-unknown" "Does not know HEAD.";
    TraceEchoes "trace-echoes" "TRACE gives the request back.";
    NoAllow "no-allow" "405 without Allow.";
    WrongMethodAs404 "wrong-method-as-404" "404 for a wrong method.";
    AlwaysReady "always-ready" "Is ready without keys.";
    HealthAsksClerk "health-asks-clerk" "Asks Clerk whether it is healthy.";
    HealthProtected "health-protected" "Health needs a token.";
    ReadinessUnexplained "readiness-unexplained" "Readiness has no reasons.";
    HealthTellsAll "health-tells-all" "Readiness shows the configuration.";
    NoRequestId "no-request-id" "Answers have no request id.";
    PagesFromElsewhere "pages-from-elsewhere" "The pages load scripts from other hosts.";
    NoStartPageInJson "no-start-page-in-json" "The start page is always HTML.";
    NoYaml "no-yaml" "The OpenAPI document is not there in YAML.";
    DocumentIncomplete "document-incomplete" "The OpenAPI document leaves out the endpoint.";
    SniffingAllowed "sniffing-allowed" "No X-Content-Type-Options.";

    // Protocol.
    BatchesProcessed "batches-processed" "Processes batches.";
    LastMethodCounts "last-method-counts" "Of two methods in a message the last counts.";
    UnknownMethodAccepted "unknown-method-accepted" "An unknown method has an empty result.";
    UnknownMethodAs200 "unknown-method-as-200" "An unknown method of 2026-07-28 is answered with 200.";
    BadJsonAs200 "bad-json-as-200" "A body that is no JSON is answered with 200.";
    BadBodyAs500 "bad-body-as-500" "A body that is no message is answered with 500.";
    HeaderMismatchAccepted "header-mismatch-accepted" "Mcp-Method, Mcp-Name and the version need not match the body.";
    EncodedNamesUnknown "encoded-names-unknown" "Does not know that Mcp-Name may be in base64.";
    EncodedNamesUnchecked "encoded-names-unchecked" "What is in base64 need not match the body.";
    HeadersNotNeeded "headers-not-needed" "2026-07-28 without its headers passes.";
    MetaNotNeeded "meta-not-needed" "2026-07-28 without _meta passes.";
    AnyVersion "any-version" "Takes every version.";
    NoSupportedList "no-supported-list" "Does not say which versions it supports.";
    InitializeEchoes "initialize-echoes" "initialize agrees to every version.";
    InitializeInsists "initialize-insists" "initialize knows the newest version only.";
    VersionHeaderNeeded "version-header-needed" "Refuses requests without a version header.";
    HandshakeNeeded "handshake-needed" "Nothing works before an initialize.";
    OneEraNamed "one-era-named" "Names one version in server/discover.";
    NoServerInfo "no-server-info" "Does not say who it is.";
    AnswersCacheable "answers-cacheable" "Lets shared caches keep its answers.";
    UnknownSessionIsDemo "unknown-session-is-demo" "An unknown session id is that of the demo user.";
    OldEraOnly "old-era-only" "Does not know 2026-07-28.";
    NewEraOnly "new-era-only" "Does not know initialize.";
    NotificationsAnswered "notifications-answered" "Notifications get 200 and a body.";
    AnyContentType "any-content-type" "Takes a body of any type.";
    AnyAccept "any-accept" "Never looks at Accept.";
    NoBodyLimit "no-body-limit" "Takes a body of any size.";
    ChunksRefused "chunks-refused" "Refuses bodies without a length.";
    ToolsInRandomOrder "tools-in-random-order" "Lists its tools in another order each time.";
    PublicCache "public-cache" "cacheScope is public.";
    NoCacheHints "no-cache-hints" "Lists say nothing about caching.";
    NoResultType "no-result-type" "Results of 2026-07-28 lack resultType.";
    IdLost "id-lost" "Answers have another id than the request.";
    PingUnknown "ping-unknown" "Does not know ping.";
    GetAnswered "get-answered" "GET of the endpoint is answered with 200.";

    // Tools.
    OnePageOnly "one-page-only" "Lists one page of memberships.";
    HalfAList "half-a-list" "Takes the pages that came for all of them.";
    UserShared "user-shared" "Keeps the user it was first asked for, for everyone.";
    SessionShared "session-shared" "Keeps the session of the first caller, for everyone.";
    GreetsSession "greets-session" "Greets the session in place of the user.";
    GreetAsksClerk "greet-asks-clerk" "Asks Clerk for the user to greet.";
    TokenInResults "token-in-results" "Gives the token to whoever reads the result.";
    EmailNeeded "email-needed" "Fails for users without an address.";
    ToolErrorAs500 "tool-error-as-500" "A tool that fails is answered with 500.";
    ToolErrorAsResult "tool-error-as-result" "A tool that fails looks like one that did not.";
    ToolWaits "tool-waits" "A tool waits for Clerk without end.";
    ClerksErrorRepeated "clerks-error-repeated" "A tool that fails repeats Clerk's answer and our request.";
    StructuredMissing "structured-missing" "Data comes as text only.";
    TextDiffers "text-differs" "The text is not the data.";
    SnakeCase "snake-case" "Members are in `snake_case`.";
    NumericTimes "numeric-times" "Times are numbers.";
    AbsentLeftOut "absent-left-out" "Leaves out what is absent.";
    UnknownArgumentsAccepted "unknown-arguments-accepted" "Overlooks arguments that a tool does not have.";
    ArgumentsUnchecked "arguments-unchecked" "Takes arguments of any type.";
    UnknownToolAsResult "unknown-tool-as-result" "A tool that is not there has an empty result.";
    ToolMissing "tool-missing" "Lacks a tool.";
    NoAnnotations "no-annotations" "Tools have no title, hints and output schema.";
    NobodyForNone "nobody-for-none" "No membership is an error.";
    BannedServed "banned-served" "Serves users who are banned.";
    UserIdFromArguments "user-id-from-arguments" "Takes the user from the arguments, if they name one.";
    CallersTokenPassedOn "callers-token-passed-on" "Asks Clerk with the caller's token.";
    UsersNotCached "users-not-cached" "Asks Clerk for the same user every time.";
    NoRetries "no-retries" "Gives up when Clerk fails once.";
    ManyRetries "many-retries" "Asks ten times.";
    FailuresRemembered "failures-remembered" "Keeps failures as long as answers.";
}
