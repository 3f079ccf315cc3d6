# Builds the systemd service from the option values. A plain function, so that a test can compare its result.
{ lib, cfg, probe }:
let
  list = lib.concatStringsSep ",";
  seconds = number: "${toString number}s";
  # In a unit file, % starts a specifier.
  literal = lib.replaceStrings [ "%" ] [ "%%" ];
  privileged = cfg.port < 1024;

  variables = {
    CLERK_DOMAIN = cfg.domain;
    CLERK_PUBLISHABLE_KEY = cfg.publishableKey;
    BASE_URL = cfg.baseUrl;
    HOST = cfg.host;
    PORT = toString cfg.port;
    CLERK_API_URL = cfg.apiUrl;
    CLERK_FRONTEND_API_URL = cfg.frontendApiUrl;
    CLERK_ISSUER = cfg.issuer;
    CLERK_JWT_KEY = cfg.jwtKey;
    CLERK_ACCEPTED_TOKENS = list cfg.acceptedTokens;
    CLERK_AUDIENCE = cfg.audience;
    CLERK_SESSION_AUDIENCE = cfg.sessionAudience;
    CLERK_ACCEPTED_AUDIENCES = if cfg.acceptedAudiences == [ ] then null else list cfg.acceptedAudiences;
    CLERK_AUTHORIZED_PARTIES = if cfg.authorizedParties == [ ] then null else list cfg.authorizedParties;
    CLERK_CLOCK_SKEW = seconds cfg.clockSkew;
    SCOPES = list cfg.scopes;
    REQUIRED_SCOPES = if cfg.requiredScopes == [ ] then null else list cfg.requiredScopes;
    DOCS_URL = cfg.docsUrl;
    ALLOWED_ORIGINS = if cfg.allowedOrigins == null then null else list cfg.allowedOrigins;
    AUDIT = if cfg.audit then "on" else "off";
    TRUST_FORWARDED = lib.boolToString cfg.trustForwarded;
    MAX_BODY = cfg.maxBody;
    REQUEST_TIMEOUT = seconds cfg.requestTimeout;
    MAX_CONNECTIONS = toString cfg.maxConnections;
    IDLE_TIMEOUT = seconds cfg.idleTimeout;
    SHUTDOWN_GRACE = seconds cfg.shutdownGrace;
    ADMIN_ADDR = cfg.adminAddress;
    LOG_FORMAT = cfg.logFormat;
    RUST_LOG = cfg.log;
  };
in
{
  description = "MCP server protected by Clerk";
  wantedBy = [ "multi-user.target" ];
  wants = [ "network-online.target" ];
  after = [ "network-online.target" ];

  environment =
    lib.mapAttrs (_: literal) (lib.filterAttrs (_: value: value != null) variables)
    // lib.optionalAttrs (cfg.caFile != null) { CLERK_CA_FILE = "%d/ca.pem"; };

  serviceConfig = {
    Type = "exec";
    ExecStart = "${lib.getExe cfg.package} serve";
    # The unit counts as started only when the server is ready, so units ordered after it can use the server.
    ExecStartPost = "${probe} ${toString cfg.readyTimeout}";
    TimeoutStartSec = cfg.readyTimeout + 10;
    TimeoutStopSec = cfg.shutdownGrace + 10;
    Restart = "on-failure";
    RestartSec = 5;
    # Restarting does not fix an invalid command line (2) or configuration (78).
    RestartPreventExitStatus = [
      2
      78
    ];
    # The server leaves a quarter of the limit for other files.
    LimitNOFILE = cfg.maxConnections * 2;

    # The server reads the key from this name in $CREDENTIALS_DIRECTORY. systemd reads the file as root, so no
    # other user needs access.
    LoadCredential = [
      "CLERK_SECRET_KEY:${literal cfg.secretKeyFile}"
    ]
    ++ lib.optional (cfg.caFile != null) "ca.pem:${literal (toString cfg.caFile)}";
    # The server reads .env from its working directory. This directory has none.
    WorkingDirectory = "/var/empty";

    DynamicUser = true;
    UMask = "0077";
    AmbientCapabilities = lib.optionals privileged [ "CAP_NET_BIND_SERVICE" ];
    CapabilityBoundingSet = if privileged then [ "CAP_NET_BIND_SERVICE" ] else [ "" ];
    DevicePolicy = "closed";
    KeyringMode = "private";
    LockPersonality = true;
    MemoryDenyWriteExecute = true;
    NoNewPrivileges = true;
    PrivateDevices = true;
    PrivateMounts = true;
    PrivateTmp = true;
    # In a private user namespace, CAP_NET_BIND_SERVICE would have no effect on the host's ports.
    PrivateUsers = !privileged;
    ProcSubset = "pid";
    ProtectClock = true;
    ProtectControlGroups = true;
    ProtectHome = true;
    ProtectHostname = true;
    ProtectKernelLogs = true;
    ProtectKernelModules = true;
    ProtectKernelTunables = true;
    ProtectProc = "invisible";
    ProtectSystem = "strict";
    RemoveIPC = true;
    # AF_UNIX is needed for name resolution and the journal.
    RestrictAddressFamilies = [
      "AF_INET"
      "AF_INET6"
      "AF_UNIX"
    ];
    RestrictNamespaces = true;
    RestrictRealtime = true;
    RestrictSUIDSGID = true;
    SystemCallArchitectures = "native";
    SystemCallErrorNumber = "EPERM";
    SystemCallFilter = [
      "@system-service"
      "~@privileged @resources"
    ];
  };
}
