# nixosModules.default. `packageFor` gives the server for a nixpkgs.
packageFor:
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.services.clerk-mcp;
  secretFile = import ./secret-file.nix;

  # An option that may be left out: the server then does what its own documentation says.
  optional =
    type: description: example:
    mkOption {
      type = types.nullOr type;
      default = null;
      inherit description example;
    };
  # An option with the server's own default.
  option =
    type: default: description:
    mkOption { inherit type default description; };
  url = types.strMatching "https?://[^[:space:]]+";
  # An item of a list that is handed over with commas.
  item = types.strMatching "[^,[:space:]]+";
in
{
  options.services.clerk-mcp = {
    enable = mkOption {
      type = types.bool;
      default = false;
      description = "Whether to run clerk-mcp, an MCP server that Clerk protects.";
      example = true;
    };
    package = mkOption {
      type = types.package;
      default = packageFor pkgs;
      defaultText = lib.literalExpression "clerk-mcp.packages.\${system}.default";
      description = "The package of the server.";
    };
    openFirewall = mkOption {
      type = types.bool;
      default = false;
      description = "Whether to open `port` in the firewall. TLS is the business of a proxy in front, which mostly is on the same machine and needs no open port.";
    };
    readyTimeout = mkOption {
      type = types.ints.between 1 3600;
      default = 60;
      description = "Seconds that the server gets to become ready (`/readyz`), which includes fetching the application's keys. After that the start has failed, and is tried again.";
    };

    secretKeyFile = mkOption {
      type = secretFile.type lib;
      example = "/run/secrets/clerk";
      description = "File with the secret key of the Clerk application (`sk_test_…` or `sk_live_…`; Clerk Dashboard, Configure, API keys). Only root needs to be able to read it; the server gets it as a systemd credential. Neither the key nor a file in the Nix store is accepted. Restart the service after a change of the key.";
    };
    domain = optional types.nonEmptyStr "Frontend API host of the Clerk application (Clerk Dashboard, Configure, Domains). May be left out when `publishableKey` is set." "clerk.example.com";
    publishableKey = optional (types.strMatching "pk_(test|live)_.+") "Publishable key of the Clerk application; `domain` is derived from it when only this is given. It is no secret." "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k";
    baseUrl = mkOption {
      type = url;
      example = "https://mcp.example.com";
      description = "URL under which clients reach this server; it decides every URL that the server publishes. https, but for loopback.";
    };

    host = option (types.strMatching "[0-9a-fA-F:.]+|localhost") "127.0.0.1" "IP address to listen on.";
    port = option (types.ints.between 1 65535) 3001 "Port to listen on.";
    apiUrl = option url "https://api.clerk.com" "URL of Clerk's Backend API.";
    frontendApiUrl = optional url "URL of Clerk's Frontend API, which is the issuer of tokens; `https://` and `domain` when left out. http only on loopback." "https://clerk.example.com";
    caFile = optional types.path "Root certificates (PEM) to trust for Clerk, beside the system's. Only root needs to be able to read the file." "/etc/ssl/private-ca.pem";
    jwtKey = optional (types.strMatching "[[:space:]]*-----BEGIN PUBLIC KEY-----.*") "Public key of the application (PEM): tokens are verified with it, and no keys are fetched. It is no secret." "-----BEGIN PUBLIC KEY-----…";
    acceptedTokens =
      option
        (types.listOf (
          types.enum [
            "session_token"
            "oauth_token"
            "m2m_token"
            "api_key"
          ]
        ))
        [
          "session_token"
          "oauth_token"
        ]
        "Kinds of tokens that are accepted. Machine tokens and API keys have no audience: whoever accepts them accepts all of the application's.";
    audience = option (types.enum [
      "required"
      "if-present"
      "off"
    ]) "required" "Whether OAuth tokens must name this server as their audience. Anything but `required` also lets in tokens that were meant for another server.";
    authorizedParties = option (types.listOf item) [ ] "Origins that session tokens may come from (`azp`); all of the application's when empty.";
    clockSkew = option types.ints.unsigned 5 "Leeway for the times in tokens, in seconds.";
    scopes = option (types.listOf item) [
      "profile"
      "email"
    ] "Scopes that clients are told to ask for.";
    requiredScopes = option (types.listOf item) [ ] "Scopes that every token must have. Session tokens have none.";
    docsUrl = optional url "Documentation of this server, for clients." "https://example.com/docs/mcp";
    allowedOrigins = optional (types.listOf item) "Web origins that may call `/mcp`; that of `baseUrl` when left out." [
      "https://app.example.com"
    ];
    trustForwarded = option types.bool false "Whether to log the client address that `X-Forwarded-For` ends with. It counts for nothing else.";
    maxBody = option (types.strMatching "[1-9][0-9]*( ?[KMG]iB)?") "4 MiB" "Largest request body.";
    requestTimeout = option types.ints.positive 30 "Longest time for one request, in seconds.";
    maxConnections = option types.ints.positive 10000 "Most connections at a time. The limit of open files follows it.";
    shutdownGrace = option types.ints.unsigned 20 "Seconds that requests in flight get when the service stops.";
    adminAddress = optional (types.strMatching "([0-9.]+|\\[[0-9a-fA-F:]+]):[0-9]+") "Address and port of a second listener, for `/metrics` (Prometheus). The firewall stays closed for it." "127.0.0.1:9090";
    logFormat = optional (types.enum [
      "pretty"
      "json"
    ]) "Form of the log; json when it goes to the journal." "pretty";
    log = option types.nonEmptyStr "info,rmcp=warn" "What is logged, as in `RUST_LOG`.";
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = cfg.domain != null || cfg.publishableKey != null;
        message = "services.clerk-mcp: set domain (or publishableKey, from which it is derived).";
      }
      {
        assertion = !(config.systemd.services.clerk-mcp.environment ? CLERK_SECRET_KEY);
        message = "services.clerk-mcp: CLERK_SECRET_KEY is in the environment of the unit, and so in the Nix store. Use secretKeyFile.";
      }
    ];
    warnings =
      lib.optional
        (
          cfg.openFirewall
          && lib.elem cfg.host [
            "127.0.0.1"
            "::1"
            "localhost"
          ]
        )
        "services.clerk-mcp: openFirewall opens port ${toString cfg.port}, but the server listens on loopback only; set host.";
    networking.firewall.allowedTCPPorts = lib.optional cfg.openFirewall cfg.port;
    systemd.services.clerk-mcp = import ./service.nix {
      inherit lib cfg;
      probe = import ./probe.nix pkgs;
    };
  };
}
