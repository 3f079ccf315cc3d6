# nixosModules.default. `packageFor` returns the server's package for a nixpkgs.
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

  # An option that may be null. The server then uses its own default.
  optional =
    type: description: example:
    mkOption {
      type = types.nullOr type;
      default = null;
      inherit description example;
    };
  # An option whose default is the server's default.
  option =
    type: default: description:
    mkOption { inherit type default description; };
  url = types.strMatching "https?://[^[:space:]]+";
  # An item of a list that the server reads comma-separated.
  item = types.strMatching "[^,[:space:]]+";
in
{
  options.services.clerk-mcp = {
    enable = mkOption {
      type = types.bool;
      default = false;
      description = "Whether to run clerk-mcp, an MCP server protected by Clerk.";
      example = true;
    };
    package = mkOption {
      type = types.package;
      default = packageFor pkgs;
      defaultText = lib.literalExpression "clerk-mcp.packages.\${system}.default";
      description = "Package of the server.";
    };
    openFirewall = mkOption {
      type = types.bool;
      default = false;
      description = "Whether to open `port` in the firewall. The server does not terminate TLS; a reverse proxy on the same machine needs no open port.";
    };
    readyTimeout = mkOption {
      type = types.ints.between 1 3600;
      default = 60;
      description = "Time limit, in seconds, for the server to become ready (`/readyz`), which includes fetching the application's keys. After that, systemd treats the start as failed and retries it.";
    };

    secretKeyFile = mkOption {
      type = secretFile.type lib;
      example = "/run/secrets/clerk";
      description = "File that contains the secret key of the Clerk application (`sk_test_…` or `sk_live_…`; Clerk Dashboard, Configure, API keys). Only root needs read access; the server receives the key as a systemd credential. The key itself and files in the Nix store are rejected. Restart the service after changing the key.";
    };
    domain = optional types.nonEmptyStr "Frontend API host of the Clerk application (Clerk Dashboard, Configure, Domains). Optional if `publishableKey` is set." "clerk.example.com";
    publishableKey = optional (types.strMatching "pk_(test|live)_.+") "Publishable key of the Clerk application. `domain` is derived from it if only this option is set. The key is not secret." "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k";
    baseUrl = mkOption {
      type = url;
      example = "https://mcp.example.com";
      description = "Public URL of this server. Every URL that the server publishes is derived from it. Must be https, except on loopback.";
    };

    host = option (types.strMatching "[0-9a-fA-F:.]+|localhost") "127.0.0.1" "IP address to listen on.";
    port = option (types.ints.between 1 65535) 3001 "Port to listen on.";
    apiUrl = option url "https://api.clerk.com" "URL of Clerk's Backend API.";
    frontendApiUrl = optional url "URL of Clerk's Frontend API, which issues the tokens. Defaults to `https://` followed by `domain`. http is allowed only on loopback." "https://clerk.example.com";
    issuer = optional url "Issuer of the tokens, if this server reaches the Frontend API at another URL than clients do." "https://clerk.example.com";
    caFile = optional types.path "Root certificates (PEM) to trust for Clerk, in addition to the system's. Only root needs read access to the file." "/etc/ssl/private-ca.pem";
    jwtKey = optional (types.strMatching "[[:space:]]*-----BEGIN PUBLIC KEY-----.*") "Public key of the application (PEM). If set, tokens are verified with it and no keys are fetched. The key is not secret." "-----BEGIN PUBLIC KEY-----…";
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
        "Accepted kinds of tokens. Machine tokens and API keys do not name a server as audience, so accepting them accepts every such token of the application.";
    audience = option (types.enum [
      "required"
      "if-present"
      "observe"
      "off"
    ]) "required" "Whether OAuth tokens must name this server as their audience. Every value except `required` also accepts tokens issued for other servers.";
    sessionAudience = option (types.enum [
      "if-present"
      "off"
    ]) "if-present" "How the audience of session tokens is checked.";
    acceptedAudiences = option (types.listOf item) [ ] "Further values of `aud` to accept, as exact strings.";
    authorizedParties = option (types.listOf item) [ ] "Allowed `azp` values of session tokens. If empty, every origin of the application is accepted.";
    clockSkew = option types.ints.unsigned 5 "Clock skew, in seconds, allowed for the times in tokens.";
    scopes = option (types.listOf item) [
      "profile"
      "email"
    ] "Scopes that the server tells clients to request.";
    requiredScopes = option (types.listOf item) [ ] "Scopes that every token must have. Session tokens have none.";
    docsUrl = optional url "URL of this server's documentation, published to clients." "https://example.com/docs/mcp";
    allowedOrigins = optional (types.listOf item) "Web origins that may call `/mcp`. Defaults to the origin of `baseUrl`, plus any loopback origin if `baseUrl` is loopback." [
      "https://app.example.com"
    ];
    audit = option types.bool true "Whether to log one line per tool call, without arguments and personal data.";
    trustForwarded = option types.bool false "Whether to log the last `X-Forwarded-For` address. Used for logging only.";
    maxBody = option (types.strMatching "[1-9][0-9]*( ?[KMG]iB)?") "4 MiB" "Size limit of a request body.";
    requestTimeout = option types.ints.positive 30 "Time limit per request, in seconds.";
    maxConnections = option types.ints.positive 10000 "Maximum number of open connections. The open-file limit of the unit is derived from it.";
    idleTimeout = option types.ints.positive 75 "Time, in seconds, after which an idle connection is closed. Longer than the idle timeout of the proxy in front.";
    shutdownGrace = option types.ints.unsigned 20 "Grace period, in seconds, for in-flight requests when the service stops.";
    adminAddress = optional (types.strMatching "([0-9.]+|\\[[0-9a-fA-F:]+]):[0-9]+") "Address and port of a second listener for `/metrics` (Prometheus), `/healthz` and `/readyz`. Its port is not opened in the firewall." "127.0.0.1:9090";
    logFormat = optional (types.enum [
      "pretty"
      "json"
    ]) "Log format. Defaults to json when the log goes to the journal." "pretty";
    log = option types.nonEmptyStr "info,rmcp=off" "Log filter, in the syntax of `RUST_LOG`.";
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = cfg.domain != null || cfg.publishableKey != null;
        message = "services.clerk-mcp: set domain, or publishableKey, from which domain is derived.";
      }
      {
        assertion = !(config.systemd.services.clerk-mcp.environment ? CLERK_SECRET_KEY);
        message = "services.clerk-mcp: CLERK_SECRET_KEY is set in the unit's environment, which puts it into the Nix store. Use secretKeyFile instead.";
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
